import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import type { CallerFacts } from '../../../src/platform/local-client.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { SubmitItem } from '../../../src/protocol/machine-api.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;

beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  daemon = await startTestDaemon(home);
  while ((await daemon.status()).hub.state !== 'online') await new Promise((resolve) => setTimeout(resolve, 5));
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

interface Raw {
  readonly status: number;
  readonly text: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** One request as it is, to the unix socket. */
function raw(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: home.paths.daemonSocket, method, path, headers, agent: false },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text, headers: incoming.headers }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const key = () => `Bearer ${readFileSync(home.paths.daemonKey, 'utf8').trim()}`;

/** A session of a program without an adapter: this very process, so that it lives. */
async function session(id: string, cwd: string): Promise<CallerFacts> {
  await home.client().putSession({ id, agent: 'demo', pid: process.pid, cwd });
  return { agent: 'demo', session: id, cwd };
}

function takenAs(id: string): SubmitItem {
  const item = hub.taken.get(id);
  if (item === undefined) throw new Error('the hub did not take it');
  return item;
}

describe('who calls', () => {
  it('is found by its session, else by its directory, and can name nobody else', async () => {
    const cwd = home.directory('api');
    const here = await home.client({ cwd }).submit({ to: 'desk/web', kind: 'send', body: 'hi' });
    const as = await session('demo-0001', cwd);
    const there = await home.client({ ...as, cwd: home.user }).submit({ to: 'desk/web', kind: 'ask', body: 'why?' });
    expect([takenAs(here.id), takenAs(there.id)]).toMatchObject([
      { fromProject: 'api', depth: 0 },
      { fromProject: 'api', fromSession: 'demo-0001', depth: 1 },
    ]);
    expect(takenAs(here.id)).not.toHaveProperty('fromSession');
    expect(await home.client({ cwd: join(cwd, 'deep') }).whoami()).toMatchObject({ address: 'laptop/api' });
    const forged = {
      to: 'desk/web',
      kind: 'send' as const,
      body: 'x',
      fromProject: 'web',
      from: 'desk/web',
      machine: 'desk',
    };
    const status = await home.client({ cwd }).submit(forged);
    expect(takenAs(status.id)).toMatchObject({ fromProject: 'api' });
    expect(takenAs(status.id)).not.toHaveProperty('from');
  });

  it('by pid comes before an older session id of its environment', async () => {
    await session('demo-0001', home.directory('one'));
    const other = spawn('sleep', ['60']);
    await home.client().putSession({ id: 'demo-0002', agent: 'demo', pid: other.pid ?? 0, cwd: home.directory('two') });
    const stale = { agent: 'demo', pid: other.pid, session: 'demo-0001', cwd: home.user };
    expect(await home.client(stale).whoami()).toMatchObject({ session: 'demo-0002', project: 'two' });
    // A process that is in no session is not let into that of another one by its id.
    const stranger = { ...stale, pid: 1 };
    expect(await home.client(stranger).whoami()).toMatchObject({ address: 'laptop/home' });
    other.kill('SIGKILL');
  });

  it('must have the key, which only this user can read', async () => {
    expect(statSync(home.paths.daemonKey).mode & 0o077).toBe(0);
    expect(statSync(home.paths.daemonKeyHeader).mode & 0o077).toBe(0);
    expect(readFileSync(home.paths.daemonKeyHeader, 'utf8').trim()).toBe(`Authorization: ${key()}`);
    expect(statSync(home.paths.daemonSocket).mode & 0o077).toBe(0);
    for (const authorization of ['', 'Bearer wrong', `${key()}x`, key().toUpperCase(), 'Basic eDp5']) {
      expect((await raw('GET', '/local/status', { authorization })).status).toBe(401);
    }
    expect((await raw('GET', '/local/status', { authorization: key() })).status).toBe(200);
  });
});

describe('mail', () => {
  it('goes to the session that it is for, and to no other of the project', async () => {
    const cwd = home.directory('api');
    const first = home.client(await session('demo-0001', cwd));
    const second = home.client(await session('demo-0002', cwd));
    const [one, two] = [
      hub.mail({ project: 'api', session: 'demo-0001' }),
      hub.mail({ project: 'api', session: 'demo-0002' }),
    ];
    await hub.deliver(one, two);
    expect((await second.takeInbox()).messages.map(({ id }) => id)).toEqual([two.id]);
    const taken = await first.takeInbox();
    expect(taken.messages.map(({ id }) => id)).toEqual([one.id]);
    await first.acknowledge(taken.offer ?? '');
    await hub.until(() => hub.receipts.some(({ messageId, state }) => messageId === one.id && state === 'delivered'));
    expect(hub.receipts.filter(({ messageId }) => messageId === one.id)).toMatchObject([
      { state: 'written', session: 'demo-0001' },
      { state: 'delivered', session: 'demo-0001', proof: 'taken from the inbox' },
    ]);
  });

  it('that answers a waiting call goes to that call, and is delivered once it says so', async () => {
    const as = await session('demo-0001', home.directory('api'));
    const api = home.client(as);
    const { id, threadId } = await api.submit({ to: 'desk/web', kind: 'ask', body: 'why?' });
    const waiting = api.message(id, { seconds: 25, for: 'answer' });
    const reply = hub.mail({
      project: 'api',
      session: 'demo-0001',
      kind: 'reply',
      inReplyTo: id,
      threadId,
      body: 'so',
    });
    await hub.deliver({ item: 'status', status: hub.statusOf(takenAs(id), { state: 'answered' }) }, reply);
    const answered = await waiting;
    expect(answered).toMatchObject({ id, state: 'answered', answer: { id: reply.id, body: 'so', from: 'desk/api' } });
    expect((await api.takeInbox()).messages).toEqual([]);
    await api.acknowledge(answered.offer ?? '');
    await hub.until(() => hub.receipts.some(({ messageId, state }) => messageId === reply.id && state === 'delivered'));
    expect(hub.receipts.at(-1)).toMatchObject({ proof: 'answer taken by the waiting call' });
  });

  it('that comes between two slices of a wait is kept for the next one; another session cannot claim it', async () => {
    const cwd = home.directory('api');
    const api = home.client(await session('demo-0001', cwd));
    const other = home.client(await session('demo-0002', cwd));
    const { id, threadId } = await api.submit({ to: 'desk/web', kind: 'ask', body: 'why?' });
    expect((await api.message(id, { seconds: 0.05, for: 'answer' })).state).toBe('queued');
    const theirs = other.message(id, { seconds: 2, for: 'answer' });
    const reply = hub.mail({
      project: 'api',
      session: 'demo-0001',
      kind: 'reply',
      inReplyTo: id,
      threadId,
      body: 'so',
    });
    await hub.deliver(reply);
    const answered = await api.message(id, { seconds: 25, for: 'answer' });
    expect(answered).toMatchObject({ state: 'answered', answer: { body: 'so' } });
    expect(answered.offer).toBeDefined();
    expect(await theirs).not.toHaveProperty('offer');
  });
});

describe('register', () => {
  it('seed: a partial update wiped the other fields, of the project and of the machine', async () => {
    const api = home.client({ cwd: home.directory('api') });
    await api.register({ project: { description: 'the api', tags: ['web'] } });
    await api.register({ project: { capabilities: ['code'] }, machine: { description: 'under the desk' } });
    await api.register({ machine: { displayName: 'The Laptop' } });
    await daemon.stop();
    daemon = await startTestDaemon(home);
    await hub.until(
      () => hub.hellos.at(-1)?.displayName === 'The Laptop' && hub.hellos.at(-1)?.epoch !== hub.hellos[0]?.epoch,
    );
    expect(hub.hellos.at(-1)).toMatchObject({ displayName: 'The Laptop', description: 'under the desk' });
    expect(hub.hellos.at(-1)?.projects).toContainEqual(
      expect.objectContaining({ id: 'api', description: 'the api', tags: ['web'], capabilities: ['code'] }),
    );
  });

  it('seed: add_project and remove_project did nothing', async () => {
    const api = home.client();
    await api.register({ action: 'add_project', project: { id: 'mine', path: home.directory('somewhere') } });
    await hub.until(() => hub.projects.at(-1)?.some(({ id }) => id === 'mine') === true);
    await api.register({ action: 'remove_project', project: { id: 'mine' } });
    await hub.until(() => hub.projects.at(-1)?.some(({ id }) => id === 'mine') === false);
    await expect(api.register({ action: 'add_project', project: { id: 'x' } })).rejects.toMatchObject({
      field: 'project.path',
    });
  });

  it('passes feedback on in the name of its project', async () => {
    await home.client({ cwd: home.directory('api') }).feedback({ type: 'bug', description: 'it broke' });
    expect(hub.feedback).toMatchObject([{ fromProject: 'api', type: 'bug', description: 'it broke', context: '' }]);
  });
});

describe('sessions without an adapter', () => {
  it('end with their process; names and sessions of others cannot be taken', async () => {
    const cwd = home.directory('api');
    const child = spawn('sleep', ['60']);
    const api = home.client();
    await api.putSession({ id: 'demo-0009', agent: 'demo', pid: child.pid ?? 0, cwd });
    await expect(api.putSession({ id: 'demo-0009', agent: 'demo', pid: process.pid, cwd })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(api.putSession({ id: 'demo-0010', agent: 'Claude', pid: process.pid, cwd })).rejects.toMatchObject({
      code: 'forbidden',
    });
    await expect(api.putSession({ id: 'demo-0011', agent: 'demo', pid: 2 ** 22 + 7, cwd })).rejects.toMatchObject({
      field: 'pid',
    });
    await expect(api.endSession('demo-0012')).rejects.toMatchObject({ code: 'unknown_session' });
    child.kill('SIGKILL');
    await hub.until(() => hub.sessions.some(({ id, state }) => id === 'demo-0009' && state === 'ended'));
  });
});

describe('hooks', () => {
  const post = (path: string, body: string, headers: Record<string, string> = { authorization: key() }) =>
    raw('POST', path, { ...headers, 'content-type': 'application/json' }, body);

  it('never fail loudly: whatever is wrong, nothing comes out of the hook', async () => {
    const event = '/local/hook/claude/UserPromptSubmit';
    for (const body of ['', 'not json', '{}', '[]', 'null', '{"session_id":7}', 'x'.repeat(1_200_000)]) {
      expect(await post(event, body), body.slice(0, 20)).toMatchObject({ status: 204, text: '' });
    }
    expect(await post('/local/hook/nobody/Event', '{}')).toMatchObject({ status: 204, text: '' });
    expect(await post(`/local/hook/${'x'.repeat(200)}/E`, '{}')).toMatchObject({ status: 204, text: '' });
    expect(await post(event, '{}', { authorization: key(), 'x-intercom-pid': 'NaN' })).toMatchObject({
      status: 204,
      text: '',
    });
    expect(await post(event, '{}', {})).toMatchObject({ status: 401, text: '' });
    expect(await post('/local/hook/ack/ofr_unknown', '')).toMatchObject({ status: 204, text: '' });
  });

  it('a call that is too large harms no agent, and is counted', async () => {
    const large = JSON.stringify({ tool_response: 'x'.repeat(1_200_000) });
    for (let n = 0; n < 2; n += 1) {
      expect(await post('/local/hook/claude/PostToolUse', large)).toMatchObject({ status: 204, text: '' });
    }
    expect((await daemon.status()).hooks).toMatchObject({
      ...{ tooLarge: 2, failed: 0, last: { agent: 'claude', event: 'PostToolUse' } },
    });
    expect(await post('/local/hook/claude/PostToolUse', '{}')).toMatchObject({ status: 204 });
    expect((await daemon.status()).hooks?.tooLarge).toBe(2);
  });

  it('a doorbell without anybody to wake ends at once', async () => {
    expect(await raw('GET', '/local/doorbell/claude', { authorization: key() })).toMatchObject({
      status: 204,
      text: '',
    });
  });
});

describe('bad input', () => {
  it('is refused with a structured error on every route; nothing fails, nothing is sent', async () => {
    const id = newId('message');
    const routes: [string, string][] = [
      ['POST', '/local/messages'],
      ['GET', `/local/messages/${id}?wait=-1`],
      ['GET', `/local/messages/${'x'.repeat(10_000)}`],
      ['GET', `/local/messages/${id}/trace`],
      ['POST', `/local/messages/${id}/cancel`],
      ['GET', '/local/threads/thr_x?limit=nine'],
      ['GET', '/local/agents?filter=%00'],
      ['POST', '/local/inbox/ack'],
      ['POST', '/local/register'],
      ['POST', '/local/feedback'],
      ['POST', '/local/sessions'],
      ['POST', '/local/sessions/%2e%2e%2fx/end'],
      ['GET', '/local/%E0%A4%A'],
      ['POST', '/local/nothing'],
    ];
    const body = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.string({ unit: 'binary' }),
      fc
        .record({
          to: fc.string(),
          kind: fc.constantFrom('send', 'ask', 'notice'),
          body: fc.string({ unit: 'binary' }),
        })
        .map((value) => JSON.stringify(value)),
      fc
        .record({ action: fc.string(), project: fc.anything(), machine: fc.anything() })
        .map((value) => JSON.stringify(value)),
    );
    const header = fc.string({ unit: fc.constantFrom('a', '1', '/', '%', '-', '.', ' ', 'é'), maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, header, async ([method, path], text, odd) => {
        const headers = {
          authorization: key(),
          'content-type': 'application/json',
          'x-intercom-cwd': odd,
          'x-intercom-pid': odd,
        };
        const answer = await raw(method, path, headers, method === 'GET' ? undefined : text);
        expect(answer.status, `${method} ${path} ${text} ${answer.text}`).toBeLessThan(500);
        if (answer.status >= 400 && answer.text !== '') expect(JSON.parse(answer.text)).toHaveProperty('error.code');
      }),
      { numRuns: 150 },
    );
    const big = JSON.stringify({ to: 'desk/web', kind: 'send', body: 'x'.repeat(1_100_000) });
    const headers = { authorization: key(), 'content-type': 'application/json' };
    expect((await raw('POST', '/local/messages', headers, big)).status).toBe(413);
    for (const odd of ['\u001b[31mred', 'nul\u0000', '\ud800']) {
      const text = JSON.stringify({ to: 'desk/web', kind: 'send', body: odd });
      expect((await raw('POST', '/local/messages', headers, text)).status).toBe(400);
    }
    expect(
      (await raw('POST', '/local/messages', { authorization: key(), 'content-type': 'text/plain' }, '{}')).status,
    ).toBe(415);
    expect([...hub.taken.values()].every((item) => item.kind !== 'reply')).toBe(true);
    expect((await daemon.status()).hub.state).toBe('online');
  });
});
