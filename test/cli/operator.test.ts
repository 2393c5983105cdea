/** The person's commands against a scripted hub on its socket: what is asked of the hub, what is printed, how it ends. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ErrorBody, IntercomError } from '../../src/protocol/errors.ts';
import { AgentsResponse, MessageStatus } from '../../src/protocol/machine-api.ts';
import { Approval, Trace } from '../../src/protocol/model.ts';
import { ApprovalsPage, HubStatus, MachinesPage, MessagesPage } from '../../src/protocol/operator-api.ts';
import { Home } from './support/cli.ts';
import {
  agent,
  approval,
  APPROVAL_ID,
  hubStatus,
  JOIN_APPROVAL_ID,
  joinApproval,
  localStatus,
  machine,
  message,
  MESSAGE_ID,
  status,
  T0,
  THREAD_ID,
  trace,
} from './support/samples.ts';
import { ScriptedServer, type Answer } from './support/scripted-server.ts';

const O = '/api/operator';
const running: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function withHub(answers: Record<string, Answer>): Promise<{ home: Home; hub: ScriptedServer }> {
  const home = await Home.make();
  const hub = await ScriptedServer.onSocket(home.paths.hubSocket, home.paths.hubKey, answers);
  running.push(hub);
  return { home, hub };
}

async function withDaemon(home: Home, answers: Record<string, Answer>): Promise<ScriptedServer> {
  const daemon = await ScriptedServer.onSocket(home.paths.daemonSocket, home.paths.daemonKey, answers);
  running.push(daemon);
  return daemon;
}

function decided(): Approval {
  return approval({
    state: 'allowed',
    decision: { verdict: 'allow', scope: 'always', by: 'owner', via: 'cli', at: T0 },
  });
}

describe('approvals', () => {
  it('says that there are older ones, and goes on behind the last', async () => {
    const { home, hub } = await withHub({
      [`GET ${O}/approvals`]: () => ({ approvals: [approval()], more: true }),
    });
    const { out } = await home.run(['approvals', 'list', '--limit', '1']);
    expect(out).toContain(`intercom approvals list --state pending --after ${APPROVAL_ID}`);
    await home.run(['approvals', 'list', '--after', APPROVAL_ID]);
    expect(hub.asked.at(-1)?.path).toContain(`after=${APPROVAL_ID}`);
  });

  it('lists what waits, with the whole text and what to type', async () => {
    const { home } = await withHub({ [`GET ${O}/approvals`]: () => ({ approvals: [approval(), joinApproval()] }) });
    const { code, out } = await home.run(['approvals']);
    expect(code).toBe(0);
    expect(out).toContain('laptop/app → server/api');
    expect(out).toContain('It takes a minute.');
    expect(out).toContain('123-456');
    expect(out).toContain(`intercom approvals allow ${APPROVAL_ID}`);
  });

  it('decides about the hash of what was fetched', async () => {
    const { home, hub } = await withHub({
      [`GET ${O}/approvals/apr_01JNA`]: () => approval(),
      [`POST ${O}/approvals/${APPROVAL_ID}/decision`]: decided,
    });
    const { code, out } = await home.run(['approvals', 'allow', 'apr_01JNA', '--scope', 'always']);
    expect(code).toBe(0);
    expect(hub.asked.at(-1)?.body).toEqual({ verdict: 'allow', scope: 'always', shownHash: 'a'.repeat(64) });
    expect(out).toContain('allowed, always by owner via cli');
  });

  it('says who was first, and ends with 7', async () => {
    const { home } = await withHub({
      [`GET ${O}/approvals/${APPROVAL_ID}`]: () => approval(),
      [`POST ${O}/approvals/${APPROVAL_ID}/decision`]: () => {
        throw new IntercomError('conflict', 'gilles denied it in Telegram a moment ago.', {
          next: 'Nothing is left to do.',
        });
      },
    });
    const { code, out, err } = await home.run(['approvals', 'deny', APPROVAL_ID, '--reason', 'no']);
    expect([code, out]).toEqual([7, '']);
    expect(err).toBe('error: gilles denied it in Telegram a moment ago.\n  next: Nothing is left to do.\n');
  });
});

describe('machines', () => {
  const answers = {
    [`GET ${O}/machines`]: () => ({
      machines: [machine(), machine({ id: 'vps', displayName: 'vps', status: 'away' })],
    }),
    [`GET ${O}/approvals`]: () => ({
      approvals: [approval(), joinApproval(), joinApproval('654-321', `${JOIN_APPROVAL_ID.slice(0, -1)}C`, 'nas')],
    }),
    [`POST ${O}/approvals/${JOIN_APPROVAL_ID}/decision`]: () => joinApproval(),
    [`POST ${O}/machines/vps/revoke`]: () => machine({ id: 'vps', status: 'revoked' }),
    [`DELETE ${O}/machines/vps`]: () => ({ ok: true }),
    [`PATCH ${O}/machines/vps`]: () => machine({ id: 'vps', displayName: 'The new one' }),
  };

  it('approves by the code that the other machine shows', async () => {
    const { home, hub } = await withHub(answers);
    expect((await home.run(['machines', 'approve', '123456'])).code).toBe(0);
    expect(hub.asked.at(-1)).toMatchObject({
      path: `${O}/approvals/${JOIN_APPROVAL_ID}/decision`,
      body: { verdict: 'allow', scope: 'once' },
    });
  });

  it('seed: never guesses between two requests of one machine id', async () => {
    const { home, hub } = await withHub(answers);
    const { code, err } = await home.run(['machines', 'approve', 'nas', '--yes']);
    expect(code).toBe(7);
    expect(err).toContain('Give the code');
    expect(hub.asked.every((one) => one.method === 'GET')).toBe(true);
  });

  it('has the codes compared when only the id is given, and takes nothing but a yes', async () => {
    const one = { ...answers, [`GET ${O}/approvals`]: () => ({ approvals: [joinApproval()] }) };
    const { home, hub } = await withHub(one);
    const refused = await home.run(['machines', 'approve', 'nas'], { answers: ['maybe'] });
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('Does the other machine show 123-456? [y/N]');
    expect((await home.run(['machines', 'approve', 'nas'])).code).toBe(2);
    expect(hub.asked.every((asked) => asked.method === 'GET')).toBe(true);
    expect((await home.run(['machines', 'approve', 'nas'], { answers: ['y'] })).code).toBe(0);
  });

  it('asks before it takes a machine out', async () => {
    const { home, hub } = await withHub(answers);
    expect((await home.run(['machines', 'revoke', 'vps'], { answers: ['n'] })).code).toBe(4);
    expect((await home.run(['machines', 'remove', 'vps'])).code).toBe(2);
    expect(hub.asked).toEqual([]);
    expect((await home.run(['machines', 'revoke', 'vps', '--yes'])).out).toContain('revoked');
    expect((await home.run(['machines', 'remove', 'vps', '-y'])).code).toBe(0);
    expect((await home.run(['machines', 'rename', 'vps', 'The', 'new', 'one'])).out).toContain('The new one');
    expect(hub.asked.at(-1)?.body).toEqual({ displayName: 'The new one' });
  });
});

describe('messages', () => {
  it('sends what was typed, or what is piped in', async () => {
    const { home, hub } = await withHub({ [`POST ${O}/messages`]: () => status({ state: 'queued' }) });
    const typed = await home.run(['send', 'laptop/app', 'hello', 'there', '--key', 'k1']);
    expect(typed.out).toContain('waits for the machine');
    expect(hub.asked[0]?.body).toEqual({
      to: 'laptop/app',
      kind: 'send',
      body: 'hello there',
      priority: 'normal',
      idempotencyKey: 'k1',
    });
    await home.run(['chat', '--thread', THREAD_ID, '-'], { input: 'piped\n' });
    expect(hub.asked[1]?.body).toMatchObject({ kind: 'reply', threadId: THREAD_ID, body: 'piped' });
  });

  it('waits for an answer, prints it alone on stdout, and its progress beside', async () => {
    const states = [
      status({ state: 'held' }),
      status({ state: 'delivered' }),
      status({ state: 'answered', answer: { id: MESSAGE_ID, from: 'laptop/app', body: '42', at: T0 } }),
    ];
    const { home } = await withHub({
      [`POST ${O}/messages`]: () => status({ state: 'submitted' }),
      [`GET ${O}/messages/${MESSAGE_ID}`]: () => states.shift(),
    });
    const { code, out, err } = await home.run(['ask', 'laptop/app', 'how many?']);
    expect([code, out]).toEqual([0, '42\n']);
    expect(err).toBe('… accepted\n… waits for approval\n… delivered\n');
  });

  it('ends with 4 when a person said no, with the reason', async () => {
    const denied = status({ state: 'denied', reason: 'not now', decidedBy: 'owner' });
    const { home } = await withHub({ [`POST ${O}/messages`]: () => denied });
    const { code, err } = await home.run(['ask', 'laptop/app', 'may I?']);
    expect(code).toBe(4);
    expect(err).toContain('not now');
  });

  it('shows the inbox, the newest last, and the way of a message', async () => {
    const { home } = await withHub({
      [`GET ${O}/inbox`]: () => ({
        messages: [message({ id: `${MESSAGE_ID.slice(0, -1)}B`, body: 'second' }), message({ body: 'first' })],
        more: false,
      }),
      [`GET ${O}/messages/${MESSAGE_ID}/trace`]: () => trace(),
    });
    const inbox = (await home.run(['inbox'])).out;
    expect(inbox.indexOf('first')).toBeLessThan(inbox.indexOf('second'));
    const way = (await home.run(['trace', MESSAGE_ID])).out;
    expect(way).toContain('rule: rule 2 "peers" (policies.yml:7)');
    expect(way).toContain('held at the terminal at server');
    expect(way).toContain('The person at the terminal of server/api decides.');
  });
});

describe('the inbox', () => {
  const waiting = () => ({ messages: [message({ state: 'queued' })], more: false });
  const SHOWN = `POST ${O}/messages/${MESSAGE_ID}/shown`;

  it('tells the hub what a person was shown, and only what still waits', async () => {
    const { home, hub } = await withHub({ [`GET ${O}/inbox`]: waiting, [SHOWN]: () => ({ ok: true }) });
    expect((await home.run(['inbox'])).code).toBe(0);
    expect(hub.asked.map((one) => `${one.method} ${one.path}`)).toContain(SHOWN);
    const seen = await withHub({ [`GET ${O}/inbox`]: () => ({ messages: [message()], more: false }) });
    expect((await seen.home.run(['inbox'])).code).toBe(0);
  });

  it('claims nothing for a program that reads it, or where a viewer looks', async () => {
    const { home, hub } = await withHub({
      [`GET ${O}/inbox`]: waiting,
      [SHOWN]: () => {
        throw new IntercomError('forbidden', 'A viewer only looks.');
      },
    });
    expect((await home.run(['inbox', '--json'])).code).toBe(0);
    expect(hub.asked.map((one) => one.path)).not.toContain(`${O}/messages/${MESSAGE_ID}/shown`);
    expect((await home.run(['inbox'])).code).toBe(0);
  });
});

describe('--json', () => {
  const answers = {
    [`GET ${O}/approvals`]: () => ({ approvals: [approval()] }),
    [`GET ${O}/approvals/${APPROVAL_ID}`]: () => approval(),
    [`GET ${O}/machines`]: () => ({ machines: [machine()] }),
    [`GET ${O}/agents`]: () => ({ agents: [agent()], at: T0 }),
    [`GET ${O}/inbox`]: () => ({ messages: [message()], more: false }),
    [`GET ${O}/messages/${MESSAGE_ID}/trace`]: () => trace(),
    [`POST ${O}/messages`]: () => status(),
    [`GET ${O}/status`]: () => hubStatus(),
  };
  const commands: [args: string[], schema: z.ZodType][] = [
    [['approvals', 'list'], ApprovalsPage],
    [['approvals', 'show', APPROVAL_ID], Approval],
    [['machines', 'list'], MachinesPage],
    [['agents'], AgentsResponse],
    [['inbox'], MessagesPage],
    [['trace', MESSAGE_ID], Trace],
    [['send', 'laptop/app', 'x'], MessageStatus],
    [['status'], z.object({ hub: HubStatus })],
  ];
  it.each(commands)('of %s has the shape of the protocol', async (args, schema) => {
    const { home } = await withHub(answers);
    const { code, out } = await home.run([...args, '--json']);
    expect(code).toBe(0);
    expect(schema.safeParse(JSON.parse(out)).success).toBe(true);
  });

  it('gives errors as JSON too', async () => {
    const home = await Home.make();
    const { code, out, err } = await home.run(['approvals', '--json']);
    expect([code, out]).toEqual([6, '']);
    const { error } = ErrorBody.parse(JSON.parse(err));
    expect(error.code).toBe('unreachable');
    expect(error.next).toContain('standalone');
  });
});

describe('machines', () => {
  it('a machine that the hub cannot reach says so, with why', async () => {
    const unreachable = 'The daemon of laptop cannot be reached.';
    const { home } = await withHub({
      [`GET ${O}/machines`]: () => ({ machines: [machine({ unreachable })] }),
      [`GET ${O}/approvals`]: () => ({ approvals: [] }),
    });
    const { out } = await home.run(['machines']);
    expect(out).toContain('unreachable ');
    expect(out).toContain(unreachable);
  });
});

describe('status and doctor', () => {
  it('shows hub and daemon in one screen of 80 columns', async () => {
    const { home } = await withHub({ [`GET ${O}/status`]: () => hubStatus() });
    await withDaemon(home, { 'GET /local/status': () => localStatus() });
    const { out } = await home.run(['status']);
    expect(out).toContain('2 approvals for you');
    expect(out).toContain('refused: the token is wrong');
    expect(out).toContain('waits: permission prompt');
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('names what is broken with a next step, and ends with 1', async () => {
    const { home } = await withHub({
      [`GET ${O}/status`]: () => hubStatus(),
      [`GET ${O}/machines`]: () => ({ machines: [machine({ clockOffsetSeconds: -45 })] }),
    });
    await mkdir(home.paths.config, { recursive: true });
    await writeFile(
      home.paths.configFile,
      'machine: {id: laptop}\nhub: {prot: 1}\ntelegram: {bot_token: "123456:AAbbCCddEEffGGhhIIjjKKll", api_root: "http://127.0.0.1:9"}\n',
      { mode: 0o600 },
    );
    await withDaemon(home, {
      'GET /local/status': () => ({
        ...localStatus(),
        hub: { url: 'http://h:1', state: 'refused', problem: 'clock_skew', since: T0 },
        hooks: { tooLarge: 3, failed: 0, last: { agent: 'claude', event: 'PostToolUse', at: T0 } },
      }),
    });
    const { code, out } = await home.run(['doctor', '--json']);
    expect(code).toBe(1);
    const found = z
      .object({ findings: z.array(z.object({ name: z.string(), state: z.string(), next: z.string().optional() })) })
      .parse(JSON.parse(out));
    const state = (name: string) => found.findings.find((finding) => finding.name === name)?.state;
    expect(state('configuration')).toBe('warn');
    expect(state('link to the hub')).toBe('fail');
    expect(state('clock')).toBe('warn');
    expect(state('Telegram')).toBe('fail');
    expect(state('Telegram bot')).toBe('warn');
    expect(state('hook calls')).toBe('warn');
    expect(
      found.findings.filter(
        (finding) => (finding.state === 'fail' || finding.state === 'warn') && finding.next === undefined,
      ),
    ).toEqual([]);
  });
});

describe('what comes from elsewhere', () => {
  it('cannot move the cursor or fake a line', async () => {
    const evil = 'a\u001b[2Jb\u0007\u009b1mc\r\u202edlrow';
    const { home } = await withHub({
      [`GET ${O}/approvals`]: () => ({
        approvals: [{ ...approval(), rule: evil, subject: { ...approval().subject, body: evil, threadTitle: evil } }],
      }),
      [`GET ${O}/inbox`]: () => ({ messages: [{ ...message(), body: evil }], more: false }),
      [`GET ${O}/messages/${MESSAGE_ID}/trace`]: () => ({ ...trace(), waitsFor: evil }),
    });
    for (const args of [['approvals'], ['inbox'], ['trace', MESSAGE_ID]]) {
      const { out } = await home.run(args);
      expect(out).toContain('␦');
      expect(out).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });
});

describe('login', () => {
  const issued = { token: 'tok-0123456789abcdef', operator: { name: 'owner', role: 'owner' }, expiresAt: T0 };

  it('takes a pasted link, keeps the token where only its owner can read it, and uses it', async () => {
    const hub = await ScriptedServer.onTcp({
      [`POST ${O}/login`]: () => issued,
      [`GET ${O}/approvals`]: () => ({ approvals: [] }),
      [`POST ${O}/sign-out`]: () => ({ ok: true }),
    });
    running.push(hub);
    const home = await Home.make();
    const { code, out } = await home.run(['login'], { input: `${hub.url}/#/sign-in/one-time-code-1\n` });
    expect([code, out]).toEqual([0, `✓ Signed in to ${hub.url} as owner (owner).\n`]);
    expect(hub.asked[0]?.body).toEqual({ code: 'one-time-code-1' });
    expect((await stat(home.paths.loginFile)).mode & 0o777).toBe(0o600);
    expect((await home.run(['approvals'])).out).toContain('Nothing waits');
    expect((await home.run(['approvals', '--hub', 'http://127.0.0.1:1'])).code).toBe(5);
    expect((await home.run(['login', '--out'])).out).toBe('Signed out.\n');
    await expect(readFile(home.paths.loginFile)).rejects.toThrow();
  });

  it('refuses a link on the command line, where others can read it', async () => {
    const { code, err } = await (await Home.make()).run(['login', 'http://h:7700/#/sign-in/abcdefgh']);
    expect(code).toBe(2);
    expect(err).not.toContain('abcdefgh');
  });
});
