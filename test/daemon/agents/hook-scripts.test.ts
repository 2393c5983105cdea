/** The shell scripts that agents run, with the shell that is on this machine, against a socket that plays the daemon. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installHooks } from '../../../src/daemon/agents/claude/install.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let directory: string;
let hooks: string;
let server: Server;
let seen: Seen[];
let answer: (seen: Seen, response: ServerResponse) => void;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ic-hooks-'));
  hooks = join(directory, "a 'quoted' place");
  seen = [];
  answer = (_seen, response) => response.end();
  await installHooks({
    configDir: join(directory, '.claude'),
    userFile: join(directory, '.claude.json'),
    source: join(import.meta.dirname, '..', '..', '..', 'hooks'),
    hooksDir: hooks,
    socket: join(directory, 'd.sock'),
    keyHeader: join(directory, 'key.header'),
    mcp: { command: 'true', args: [] },
  });
  writeFileSync(join(directory, 'key.header'), 'Authorization: Bearer the-key\n', { mode: 0o600 });
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(parts).toString('utf8') };
      seen.push(one);
      answer(one, response);
    });
  });
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true, force: true });
});

async function listen(): Promise<void> {
  await new Promise<void>((resolve) => server.listen(join(directory, 'd.sock'), () => resolve()));
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn('/bin/sh', [join(hooks, script), ...args], {
    env: { PATH: process.env.PATH, CLAUDE_CODE_SESSION_ID: 'sess-1', CLAUDE_PID: String(process.pid), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString('utf8')));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString('utf8')));
  child.stdin.on('error', () => undefined);
  return { child, ended: once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr })) };
}

function hook(event: string, stdin: string, env?: NodeJS.ProcessEnv): Promise<Ended> {
  const { child, ended } = start('intercom-hook.sh', ['claude', event], env);
  child.stdin?.end(stdin);
  return ended;
}

describe('intercom-hook.sh', () => {
  it('says nothing and ends well when no daemon runs', async () => {
    expect(await hook('Stop', '{}')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('says nothing when the daemon died and left its socket', async () => {
    await listen();
    const left = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(join(directory, 'left.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    await once(left, 'close');
    writeFileSync(
      join(hooks, 'intercom.env'),
      `INTERCOM_SOCKET='${join(directory, 'left.sock')}'\nINTERCOM_KEY_HEADER=/dev/null\n`,
    );
    expect(await hook('Stop', '{}')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('tells the event with its caller and key, and prints nothing when there is nothing', async () => {
    await listen();
    const payload = JSON.stringify({ session_id: 'sess-1', text: 'ä " \\ $HOME `id`\n' });
    expect(await hook('PostToolUse', payload)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/local/hook/claude/PostToolUse', body: payload });
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'Bearer the-key',
      'x-intercom-agent': 'claude',
      'x-intercom-session': 'sess-1',
      'x-intercom-pid': String(process.pid),
    });
  });

  it('prints the answer as it is and acknowledges the offer only then, without its agent waiting for that', async () => {
    await listen();
    const text = '{"hookSpecificOutput":{"additionalContext":"%s \\\\n $HOME `id`"}}';
    // The acknowledgement is not answered before the hook has ended.
    const acknowledged = new Promise<ServerResponse>((resolve) => {
      answer = (one, response) => {
        if (one.url.includes('/ack/')) resolve(response);
        else response.writeHead(200, { 'X-Intercom-Offer': 'ofr_1' }).end(text);
      };
    });
    expect(await hook('UserPromptSubmit', '{}')).toEqual({ code: 0, stdout: `${text}\n`, stderr: '' });
    const open = await acknowledged;
    expect(seen.map(({ url }) => url)).toEqual(['/local/hook/claude/UserPromptSubmit', '/local/hook/ack/ofr_1']);
    // Had the first hook waited until its call gave up, that connection would be closed by the time a second one has its answer.
    answer = (_one, response) => response.end();
    await hook('Stop', '{}');
    expect(open.destroyed).toBe(false);
    open.writeHead(204).end();
  });

  it('says nothing in a session that a runner of ours owns: that one has hooks of its own', async () => {
    await listen();
    answer = (_one, response) => response.end('never shown');
    const env = { INTERCOM_RUNNER: 'run_1' };
    expect(await hook('UserPromptSubmit', '{}', env)).toEqual({ code: 0, stdout: '', stderr: '' });
    const doorbell = start('intercom-doorbell.sh', ['claude'], env);
    expect(await doorbell.ended).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(seen).toEqual([]);
  });

  it('waits for a person’s decision, and not long for anything else', async () => {
    await listen();
    const shim = join(directory, 'bin');
    mkdirSync(shim);
    writeFileSync(join(shim, 'curl'), `#!/bin/sh\necho "$*" >> '${directory}/calls'\n`, { mode: 0o755 });
    const env = { PATH: `${shim}:${process.env.PATH ?? ''}` };
    await hook('Stop', '{}', env);
    await hook('PermissionRequest', '{}', env);
    const calls = readFileSync(join(directory, 'calls'), 'utf8').split('\n');
    expect(calls[0]).toContain('--max-time 4 ');
    expect(calls[1]).toContain('--max-time 86400 ');
  });

  it('does not acknowledge what it could not print', async () => {
    await listen();
    answer = (_one, response) => response.writeHead(200, { 'X-Intercom-Offer': 'ofr_1' }).end('x'.repeat(200_000));
    const { child, ended } = start('intercom-hook.sh', ['claude', 'PostToolUse']);
    child.stdout?.destroy();
    child.stdin?.end('{}');
    await ended;
    // One that it had sent after all would be here before the next hook has had its answer.
    answer = (_one, response) => response.end();
    await hook('Stop', '{}');
    expect(seen.map(({ url }) => url)).toEqual(['/local/hook/claude/PostToolUse', '/local/hook/claude/Stop']);
  });

  it.each([401, 404, 413, 500])('an answer %i is silence', async (status) => {
    await listen();
    answer = (_one, response) => response.writeHead(status, { 'X-Intercom-Offer': 'ofr_1' }).end('{"error":{}}');
    expect(await hook('Stop', '{}')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(seen).toHaveLength(1);
  });

  it('heeds neither a proxy nor a curlrc of the user', async () => {
    await listen();
    writeFileSync(join(directory, '.curlrc'), 'fail\nurl = "http://127.0.0.1:1/"\n');
    const proxied = { http_proxy: 'http://127.0.0.1:1', ALL_PROXY: 'http://127.0.0.1:1', HOME: directory };
    expect(await hook('Stop', '{}', proxied)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(seen).toHaveLength(1);
  });
});

describe('intercom-statusline.sh', () => {
  const told = JSON.stringify({ session_id: 'sess-1', context_window: { context_window_size: 200_000 } });
  const line = (own: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> => {
    const { child, ended } = start('intercom-statusline.sh', own, env);
    child.stdin?.end(told);
    return ended;
  };

  it('prints what the person’s own command prints, ends as it does, and tells the daemon', async () => {
    await listen();
    const heard = new Promise<void>((resolve) => {
      answer = (_one, response) => {
        response.writeHead(204).end();
        resolve();
      };
    });
    const own = `cat >'${directory}/own'; printf '%s' "it's mine"; exit 3`;
    expect(await line([own])).toEqual({ code: 3, stdout: "it's mine", stderr: '' });
    await heard;
    expect(seen[0]).toMatchObject({ url: '/local/hook/claude/StatusLine', body: told });
    expect(readFileSync(join(directory, 'own'), 'utf8').trim()).toBe(told);
  });

  it('prints nothing of its own, with and without a daemon, and tells nothing in a session of ours', async () => {
    expect(await line([])).toEqual({ code: 0, stdout: '', stderr: '' });
    await listen();
    expect(await line(['echo mine'], { INTERCOM_RUNNER: 'run_1' })).toEqual({ code: 0, stdout: 'mine\n', stderr: '' });
    expect(seen).toEqual([]);
  });

  it('does not wait for a daemon that is slow', async () => {
    await listen();
    const asked = new Promise<ServerResponse>((resolve) => {
      answer = (_one, response) => resolve(response);
    });
    expect(await line(['echo mine'])).toEqual({ code: 0, stdout: 'mine\n', stderr: '' });
    (await asked).writeHead(204).end();
  });
});

describe('intercom-doorbell.sh', () => {
  it('ends at once when no daemon runs', async () => {
    expect(await start('intercom-doorbell.sh', ['claude']).ended).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('wakes with status 2 and the one line on stderr', async () => {
    await listen();
    answer = (_one, response) => response.writeHead(200).end('[intercom] Mail waits.');
    expect(await start('intercom-doorbell.sh', ['claude']).ended).toEqual({
      code: 2,
      stdout: '',
      stderr: '[intercom] Mail waits.\n',
    });
    expect(seen[0]?.url).toBe(`/local/doorbell/claude?session=sess-1&pid=${process.pid}`);
  });

  it.each([204, 401, 404])('ends quietly on %i', async (status) => {
    await listen();
    answer = (_one, response) => response.writeHead(status).end();
    expect(await start('intercom-doorbell.sh', ['claude']).ended).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('asks the next daemon when one goes away, and ends with its agent', async () => {
    await listen();
    const agent = spawn('sleep', ['60']);
    children.push(agent);
    let asked = 0;
    const again = new Promise<void>((resolve) => {
      answer = (_one, response) => {
        asked += 1;
        if (asked === 2) resolve();
        response.destroy();
      };
    });
    const { ended } = start('intercom-doorbell.sh', ['claude'], { CLAUDE_PID: String(agent.pid) });
    await again;
    agent.kill('SIGKILL');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});
