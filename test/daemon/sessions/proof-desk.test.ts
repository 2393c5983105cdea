import { expect, it } from 'vitest';
import { ProofDesk } from '../../../src/daemon/sessions/proof-desk.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { PaperAgent } from './paper-agent.ts';

/** An agent whose record grows without anybody being told: the watch came too late for a new file. */
class UnwatchedAgent extends PaperAgent {
  override watchProof(): () => void {
    return () => undefined;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

it('signs that come before the record is written do not put off the next look', async () => {
  const clock = new ManualClock();
  const agent = new UnwatchedAgent();
  const entered: string[] = [];
  const desk = new ProofDesk({
    clock,
    log: silentLog(),
    book: new LiveSessions({ clock, log: silentLog() }),
    ports: [agent],
    outcomes: {
      entered: async (id) => void entered.push(id),
      lost: async () => undefined,
      settled: () => undefined,
    },
  });
  const id = 'msg_01JD0000000000000000000000';
  // Not in the book: what is tested is when it looks, so its session must not be called ended.
  desk.track({ id: 'offer', rung: 'pull', session: 'aaaa', messageIds: [id], resumed: true });
  for (let sign = 0; sign < 4; sign += 1) {
    desk.checkSession('aaaa');
    await settle();
  }
  agent.enter('aaaa', `<intercom-message id="${id}">`);
  clock.advance(1000);
  await settle();
  expect(entered).toEqual([id]);
  desk.stop();
});
