/** Questions and announcements over the local socket: the session that asks is what the daemon knows, and nothing is lost when either side starts anew. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import type { LocalClient } from '../../../src/platform/local-client.ts';
import type { LocalQuestion } from '../../../src/protocol/local-api.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;
let client: LocalClient;
beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  await begin();
  const cwd = home.directory('desk');
  await home.client().putSession({ id: 'desk-session-1', agent: 'demo', pid: process.pid, cwd });
  client = home.client({ agent: 'demo', session: 'desk-session-1', cwd });
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

async function begin(): Promise<void> {
  const before = hub.hellos.length;
  daemon = await startTestDaemon(home);
  await hub.until(() => hub.hellos.length > before);
}

const QUESTION: LocalQuestion = {
  key: 'tool:1',
  questions: [
    { id: 'q1', text: 'Which one?', options: [{ label: 'a' }, { label: 'b' }], ...plain() },
    { id: 'q2', text: 'Why?', options: [], ...plain() },
  ],
  cut: false,
  expiresInSeconds: 600,
};
const ANSWERS = [
  { id: 'q1', options: ['b'] },
  { id: 'q2', options: [], text: 'it is smaller' },
];

function plain() {
  return { multiple: false, freeText: true, optional: false };
}

describe('a question over the local socket', () => {
  it('is asked for the session that calls, and its answer comes to whoever waits', async () => {
    const asked = await client.askPerson(QUESTION);
    expect(asked).toMatchObject({ state: 'pending', questions: QUESTION.questions });
    expect(hub.asked.get(asked.ref)?.subject).toMatchObject({
      kind: 'question',
      source: 'ask_human',
      from: 'laptop/desk#desk-session-1',
      agent: 'demo',
      summary: 'Which one? (and 1 more)',
    });
    const waiting = client.question(asked.ref, { seconds: 25 });
    await hub.decide(asked.ref, { answers: ANSWERS });
    expect(await waiting).toMatchObject({ state: 'allowed', decision: { by: 'gilles', via: 'web', answers: ANSWERS } });
  });

  it('asked again with the same key is the same question; from another session it is another', async () => {
    const asked = await client.askPerson(QUESTION);
    await hub.decide(asked.ref, { answers: ANSWERS });
    expect(await client.askPerson(QUESTION)).toMatchObject({ ref: asked.ref, state: 'allowed' });
    const cwd = home.directory('other');
    await home.client().putSession({ id: 'other-session', agent: 'demo', pid: process.pid, cwd });
    const other = home.client({ agent: 'demo', session: 'other-session', cwd });
    expect((await other.askPerson(QUESTION)).ref).not.toBe(asked.ref);
  });

  it('stands while the daemon starts anew, and is found by its handle', async () => {
    const { ref } = await client.askPerson(QUESTION);
    await daemon.stop();
    await begin();
    expect(hub.asked.get(ref)?.state).toBe('pending');
    const waiting = client.question(ref, { seconds: 25 });
    await hub.decide(ref, { verdict: 'deny', reason: 'ask me tomorrow' });
    expect(await waiting).toMatchObject({
      state: 'denied',
      questions: QUESTION.questions,
      decision: { reason: 'ask me tomorrow' },
    });
  });

  it('decided while nobody waited is told to whoever asks later', async () => {
    const { ref } = await client.askPerson(QUESTION);
    await hub.decide(ref, { answers: ANSWERS });
    expect(await client.question(ref)).toMatchObject({ state: 'allowed' });
  });

  it('can be taken back, and only by its own name', async () => {
    const { ref } = await client.askPerson(QUESTION);
    await client.withdrawQuestion(ref, 'the agent was interrupted');
    expect(await client.question(ref)).toMatchObject({ state: 'withdrawn' });
    await expect(client.question(`ask-${'0'.repeat(40)}`)).rejects.toMatchObject({ code: 'unknown_approval' });
    await expect(client.question('ask-../../approvals')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('needs a session that asks, and the hub', async () => {
    await expect(home.client().askPerson(QUESTION)).rejects.toMatchObject({ code: 'unknown_session' });
    await hub.goAway();
    await expect(client.askPerson(QUESTION)).rejects.toMatchObject({ code: 'unreachable' });
    await expect(client.announce({ text: 'Half way.' })).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe('an announcement over the local socket', () => {
  it('goes out in the name of the caller, and says who listens', async () => {
    expect(await client.announce({ text: 'The tests are green.' })).toMatchObject({ listeners: 1 });
    expect(hub.announced).toEqual([
      {
        text: 'The tests are green.',
        category: 'milestone',
        priority: 'normal',
        fromProject: 'desk',
        fromSession: 'desk-session-1',
      },
    ]);
    expect((await client.presence()).operators).toMatchObject([{ operator: 'gilles', pages: 1 }]);
  });
});
