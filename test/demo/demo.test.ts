import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runDemo } from '../../src/demo/demo.ts';
import type { DemoEnd } from '../../src/demo/demo.ts';
import { LocalClient } from '../../src/platform/local-client.ts';
import { resolvePaths } from '../../src/platform/paths.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import { InboxAck, LocalSession, LocalSubmit } from '../../src/protocol/local-api.ts';
import type { LocalMessageStatus } from '../../src/protocol/local-api.ts';
import { bundle } from '../support/bundle.ts';
import { ScriptedDaemon, traceOf } from '../support/scripted-daemon.ts';

let script = '';
let mesh: SmallMesh;

beforeAll(async () => {
  script = await bundle('test/support/demo-entry.ts', 'demo');
}, 30_000);

beforeEach(async () => {
  mesh = await SmallMesh.start();
});

afterEach(() => mesh.daemon.stop());

describe('the demo', () => {
  it('shows a card, goes on when it is allowed, and leaves nothing behind', async () => {
    const before = await demoFolders();
    const { end, text } = await play((line) => {
      if (line.includes('approvals allow')) mesh.decide('allow');
    });
    expect(end).toBe('answered');
    expect(text).toContain('not AIs');
    expect(text).toContain(`intercom approvals allow ${mesh.approval}`);
    expect(text).toContain('http://127.0.0.1:7700/');
    expect(text).toContain('Allowed by gilles');
    expect(text).toContain('port 8123');
    expect(text).toContain('It passed without asking you: rule 1 replies.');
    expect(text).toContain('submitted');
    const sessions = mesh.daemon.seen
      .filter((seen) => seen.route === 'session')
      .map((seen) => LocalSession.parse(seen.body));
    expect(sessions.map((session) => session.name).sort()).toEqual([
      expect.stringContaining('demo agent: not an AI'),
      expect.stringContaining('demo agent: not an AI'),
    ]);
    expect(
      mesh.daemon.seen
        .filter((seen) => seen.route === 'endSession')
        .map((seen) => seen.id)
        .sort(),
    ).toEqual(sessions.map((session) => session.id).sort());
    expect(mesh.daemon.count('register')).toBe(2);
    expect(mesh.delivered).toBe(2);
    expect(await demoFolders()).toEqual(before);
  }, 30_000);

  it('lets its agents call the tools in the name of their own session and process', async () => {
    await play((line) => {
      if (line.includes('approvals allow')) mesh.decide('allow');
    });
    const sessions = mesh.daemon.seen
      .filter((seen) => seen.route === 'session')
      .map((seen) => LocalSession.parse(seen.body));
    for (const submit of mesh.daemon.seen.filter((seen) => seen.route === 'submit')) {
      const own = sessions.find((session) => session.id === submit.caller.session);
      expect(submit.caller).toEqual({ agent: 'demo', pid: String(own?.pid), session: own?.id, cwd: own?.cwd });
    }
  }, 30_000);

  it('says what a denial looks like to the agent', async () => {
    const { end, text } = await play((line) => {
      if (line.includes('approvals deny')) mesh.decide('deny');
    });
    expect(end).toBe('refused');
    expect(text).toContain('Denied by gilles');
    expect(text).toContain('Ben never saw a word of it');
    expect(mesh.delivered).toBe(0);
  }, 30_000);

  it('shows a second card when the policy wants the answer approved too', async () => {
    mesh.holdReplies = true;
    const { end, text } = await play((line) => {
      if (line.includes('approvals allow')) mesh.decide('allow');
    });
    expect(end).toBe('answered');
    expect(text).toContain("Ben's message is held: Ada gets it only if you allow it");
    expect(text.split('Allowed by gilles')).toHaveLength(3);
  }, 30_000);

  it('says so when its agents do not start, and leaves nothing behind', async () => {
    const before = await demoFolders();
    const options = {
      client: LocalClient.at(resolvePaths({ INTERCOM_HOME: mesh.daemon.home })),
      env: {},
      temporary: mesh.daemon.home,
      out: () => undefined,
    };
    const run = runDemo({ ...options, command: [process.execPath, '-e', 'process.exit(3)'] });
    await expect(run).rejects.toMatchObject({ code: 'internal' });
    await expect(runDemo({ ...options, command: ['/no/such/program'] })).rejects.toMatchObject({ code: 'internal' });
    expect(await demoFolders()).toEqual(before);
  }, 30_000);

  it('takes the message back when the person ends it before deciding', async () => {
    const abort = new AbortController();
    const { end } = await play((line) => {
      if (line.includes('Waiting for you')) abort.abort();
    }, abort.signal);
    expect(end).toBe('stopped');
    expect(mesh.daemon.count('cancel')).toBe(1);
    expect(mesh.daemon.count('endSession')).toBe(2);
  }, 30_000);

  it('says what is missing when no daemon runs, or no hub', async () => {
    mesh.hub = 'unreachable';
    await expect(play(() => undefined)).rejects.toMatchObject({ code: 'unreachable' });
    await mesh.daemon.down();
    const error: unknown = await play(() => undefined).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unreachable' });
    expect(error instanceof IntercomError ? error.next : '').toContain('intercom standalone');
  }, 30_000);
});

async function play(onLine: (line: string) => void, signal?: AbortSignal): Promise<{ end: DemoEnd; text: string }> {
  const lines: string[] = [];
  const env = { PATH: process.env.PATH, INTERCOM_HOME: mesh.daemon.home };
  const end = await runDemo({
    client: LocalClient.at(resolvePaths(env)),
    command: [process.execPath, script],
    env,
    temporary: mesh.daemon.home,
    pageUrl: 'http://127.0.0.1:7700/',
    out: (line) => {
      lines.push(line);
      onLine(line);
    },
    ...(signal === undefined ? {} : { signal }),
  });
  return { end, text: lines.join('\n') };
}

async function demoFolders(): Promise<string[]> {
  return (await readdir(mesh.daemon.home)).filter((name) => name.startsWith('intercom-demo-')).sort();
}

const AT = '2026-01-02T03:04:05.678Z';

/** One machine on which chats are held and replies pass. */
class SmallMesh {
  readonly approval = newId('approval');
  readonly daemon: ScriptedDaemon;
  hub = 'online';
  holdReplies = false;
  delivered = 0;
  readonly #messages = new Map<
    string,
    { submit: LocalSubmit; from: string; status: LocalMessageStatus; offered: boolean }
  >();
  readonly #waiters: (() => void)[] = [];

  private constructor(daemon: ScriptedDaemon) {
    this.daemon = daemon;
    const at = { stateSince: AT, place: 'hub' };
    daemon.on('status', () => ({
      machineId: 'laptop',
      version: '1',
      epoch: 'e',
      startedAt: AT,
      hub: { url: 'http://h', state: this.hub, since: AT },
      outbox: 0,
      inbox: 0,
      projects: 0,
      sessions: [],
    }));
    daemon.on('session', ({ body }) => ({
      ...LocalSession.parse(body),
      project: basename(LocalSession.parse(body).cwd),
      stateSince: AT,
      startedAt: AT,
      rung: 'pull',
    }));
    daemon.on('endSession', () => ({ ok: true })).on('register', () => ({ ok: true }));
    daemon.on('whoami', ({ caller }) => ({
      address: `laptop/${basename(caller.cwd ?? '')}`,
      machine: 'laptop',
      project: basename(caller.cwd ?? ''),
      hubReachable: true,
    }));
    daemon.on('submit', ({ body, caller }) => {
      const submit = LocalSubmit.parse(body);
      const from = `laptop/${basename(caller.cwd ?? '')}`;
      const opening = [...this.#messages.values()].find(({ status }) => status.threadId === submit.threadId);
      const to = submit.to ?? opening?.from ?? 'human';
      const held = submit.kind === 'chat' || this.holdReplies;
      const status: LocalMessageStatus = {
        id: newId('message'),
        threadId: submit.threadId ?? newId('thread'),
        to,
        state: held ? 'held' : 'queued',
        rule: held ? 'default' : 'rule 1 replies',
        ...at,
      };
      this.#messages.set(status.id, { submit, from, status, offered: false });
      return status;
    });
    daemon.on('message', async ({ id, query, gone }) => {
      const entry = this.#messages.get(id ?? '');
      if (entry?.status.state === 'held' && Number(query.get('wait')) > 0) {
        await new Promise<void>((resolve) => {
          this.#waiters.push(resolve);
          gone.addEventListener('abort', () => resolve());
        });
      }
      return this.#messages.get(id ?? '')?.status;
    });
    daemon.on('trace', ({ id }) => {
      const entry = this.#messages.get(id ?? '');
      return entry === undefined
        ? undefined
        : traceOf(entry.status, { approvalId: this.approval, from: entry.from, rule: 'default' });
    });
    daemon.on('cancel', ({ id }) => this.#messages.get(id ?? '')?.status);
    daemon.on('take', ({ caller }) => {
      const mine = [...this.#messages.values()].filter(
        ({ status, offered }) =>
          status.to === `laptop/${basename(caller.cwd ?? '')}` && status.state === 'queued' && !offered,
      );
      for (const entry of mine) entry.offered = true;
      const messages = mine.map(({ submit, from, status }) => ({
        id: status.id,
        threadId: status.threadId,
        kind: submit.kind,
        from,
        body: submit.body,
        cut: false,
        approval: 'approved by gilles',
        sentAt: AT,
      }));
      return { ...(messages[0] === undefined ? {} : { offer: messages[0].id }), messages, more: 0 };
    });
    daemon.on('ack', ({ body }) => {
      if (this.#messages.has(InboxAck.parse(body).offer)) this.delivered += 1;
      return { ok: true };
    });
  }

  static async start(): Promise<SmallMesh> {
    return new SmallMesh(await ScriptedDaemon.start());
  }

  decide(verdict: 'allow' | 'deny'): void {
    for (const entry of this.#messages.values()) {
      if (entry.status.state !== 'held') continue;
      entry.status = { ...entry.status, state: verdict === 'allow' ? 'queued' : 'denied', decidedBy: 'gilles' };
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
