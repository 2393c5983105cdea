/** What an agent does at the command line goes through the daemon of its machine, as that agent. */
import { afterEach, describe, expect, it } from 'vitest';
import { Home } from './support/cli.ts';
import { agent, localStatus, MESSAGE_ID, status, T0, THREAD_ID, trace } from './support/samples.ts';
import { ScriptedServer, type Answer } from './support/scripted-server.ts';

const env = { CLAUDECODE: '1', CLAUDE_CODE_SESSION_ID: '7d7e2ca8-0000-4000-8000-000000000000' };
const running: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function withDaemon(answers: Record<string, Answer>): Promise<{ home: Home; daemon: ScriptedServer }> {
  const home = await Home.make();
  const daemon = await ScriptedServer.onSocket(home.paths.daemonSocket, home.paths.daemonKey, answers);
  running.push(daemon);
  return { home, daemon };
}

describe('an agent', () => {
  it('asks through its daemon, and the answer counts as arrived only after it was printed', async () => {
    const order: string[] = [];
    const answered = status({ state: 'answered', answer: { id: MESSAGE_ID, from: 'server/api', body: 'yes', at: T0 } });
    const { home, daemon } = await withDaemon({
      'POST /local/messages': () => status({ state: 'held' }),
      [`GET /local/messages/${MESSAGE_ID}`]: () => ({ ...answered, offer: 'ofr_1' }),
      'POST /local/inbox/ack': () => {
        order.push('acknowledged');
        return { ok: true };
      },
    });
    const { code, out } = await home.run(['ask', 'server/api', 'ready?'], { env, onOut: () => order.push('printed') });
    expect([code, out]).toEqual([0, 'yes\n']);
    expect(order).toEqual(['printed', 'acknowledged']);
    expect(daemon.asked[1]?.path).toContain('for=answer');
  });

  it('takes its mail, prints it, then acknowledges it', async () => {
    const item = {
      id: MESSAGE_ID,
      threadId: THREAD_ID,
      kind: 'chat',
      from: 'server/api',
      body: 'hello',
      cut: false,
      approval: 'approved by owner',
      sentAt: T0,
    };
    const { home, daemon } = await withDaemon({
      'POST /local/inbox/take': () => ({ offer: 'ofr_1', messages: [item], more: 2 }),
      'POST /local/inbox/ack': () => ({ ok: true }),
    });
    const { out } = await home.run(['inbox'], { env });
    expect(out).toContain('hello');
    expect(out).toContain('2 more');
    expect(daemon.asked.at(-1)).toMatchObject({ path: '/local/inbox/ack', body: { offer: 'ofr_1' } });
  });

  it('lists, traces and sees its own status without the hub', async () => {
    const { home } = await withDaemon({
      'GET /local/agents': () => ({ agents: [agent()], at: T0 }),
      [`GET /local/messages/${MESSAGE_ID}/trace`]: () => trace(),
      'GET /local/status': () => localStatus(),
    });
    expect((await home.run(['agents'], { env })).out).toContain('laptop/app');
    expect((await home.run(['sessions'], { env })).out).toContain('waits: permission');
    expect((await home.run(['trace', MESSAGE_ID], { env })).code).toBe(0);
    const seen = await home.run(['status'], { env });
    expect(seen.out).toContain('daemon');
    expect(seen.out).not.toContain('hub     ');
  });

  it('is told what to start when there is no daemon', async () => {
    const { code, err } = await (await Home.make()).run(['send', 'a/b', 'x'], { env });
    expect(code).toBe(6);
    expect(err).toMatch(/next: .*intercom (standalone|daemon)/);
  }, 20_000);
});
