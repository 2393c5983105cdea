/** The whole of it in a daemon: a session's record grows, and the hub is told. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { systemClock, type Clock } from '../../../src/platform/clock.ts';
import type { MachineUsage, SessionUsage } from '../../../src/protocol/attention.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { raw } from '../../support/raw-http.ts';
import { answer } from './transcripts.ts';

/** What is gathered for seconds is gathered for a moment. */
const hasty: Clock = { ...systemClock, after: (ms, task) => systemClock.after(ms / 50, task) };

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon | undefined;
let transcript: string;

beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  transcript = join(home.directory('.claude/projects/-shop'), 'session-1.jsonl');
  // A session that lives: this very process.
  writeFileSync(
    join(home.directory('.claude/sessions'), `${process.pid}.json`),
    JSON.stringify({ pid: process.pid, sessionId: 'session-1', cwd: home.directory('shop'), status: 'busy' }),
  );
});
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  await hub.stop();
  home.remove();
});

const sessions = (): SessionUsage[] => hub.usage.flatMap((report) => report.sessions);
const machines = (): MachineUsage[] => hub.usage.flatMap((report) => report.machine);

describe('usage in a daemon', () => {
  it('is told as the record grows, again to a hub that forgot, and goes on after a restart', async () => {
    writeFileSync(transcript, answer({ input: 100 }));
    daemon = await startTestDaemon(home, hasty);
    await hub.until(() => sessions().some(({ tokens }) => tokens.input === 100));
    await hub.until(() => machines().some(({ agent, block }) => agent === 'claude' && block?.tokens.input === 100));
    // Nobody tells but the directory itself.
    writeFileSync(transcript, answer({ input: 11 }), { flag: 'a' });
    await hub.until(() => sessions().some(({ tokens }) => tokens.input === 111));
    const before = hub.usage.length;
    hub.epoch = 'epoch-2';
    hub.resync = true;
    await hub.deliver(hub.mail());
    await hub.until(() => hub.usage.slice(before).some(({ sessions: told }) => told[0]?.tokens.input === 111));
    await daemon.stop();
    writeFileSync(transcript, answer({ input: 1_000 }), { flag: 'a' });
    daemon = await startTestDaemon(home, hasty);
    await hub.until(() => sessions().some(({ tokens }) => tokens.input === 1_111));
  });

  it('hears a subagent by the hook of its session, and the limits by the status line', async () => {
    writeFileSync(transcript, answer({ input: 100 }));
    daemon = await startTestDaemon(home, hasty);
    await hub.until(() => sessions().length > 0);
    const subagents = join(transcript.replace('.jsonl', ''), 'subagents');
    mkdirSync(subagents, { recursive: true });
    writeFileSync(join(subagents, 'agent-1.jsonl'), answer({ sidechain: true, input: 5 }));
    const resets = Math.floor(Date.now() / 1000) + 3_600;
    const hook = (event: string, payload: unknown) =>
      raw({
        url: 'http://localhost',
        socketPath: home.paths.daemonSocket,
        method: 'POST',
        path: `/local/hook/claude/${event}`,
        headers: {
          authorization: `Bearer ${readFileSync(home.paths.daemonKey, 'utf8').trim()}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(payload),
      });
    await hook('PostToolUse', { session_id: 'session-1', cwd: home.user, agent_id: 'agent-1' });
    await hook('StatusLine', {
      session_id: 'session-1',
      context_window: { context_window_size: 500_000 },
      rate_limits: { five_hour: { used_percentage: 61, resets_at: resets } },
    });
    await hub.until(() =>
      sessions().some(({ tokens, contextWindow }) => tokens.input === 105 && contextWindow === 500_000),
    );
    await hub.until(() => machines().some(({ block }) => block?.usedPercent === 61));
    expect(machines().findLast(({ block }) => block?.usedPercent === 61)?.block?.end).toBe(
      new Date(resets * 1000).toISOString(),
    );
  });
});
