/** The hook script as Gemini CLI runs it: to the daemon's socket, to a runner's endpoint, and silent where nobody is. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installGemini } from '../../../../src/daemon/agents/gemini/install.ts';
import { HOOK_OFFER_HEADER } from '../../../../src/protocol/local-api.ts';

describe('the hook script of Gemini CLI', () => {
  let home: string;
  let script: string;
  const servers: Server[] = [];
  const calls: { readonly path: string; readonly headers: Record<string, unknown>; readonly body: string }[] = [];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ic it's-"));
    calls.length = 0;
    await installGemini({
      configDir: home,
      source: join(import.meta.dirname, '..', '..', '..', '..', 'hooks'),
      socket: join(home, 'd.sock'),
      keyHeader: join(home, 'key.header'),
      version: '1.0.0',
      mcp: { command: 'true', args: [] },
    });
    script = join(home, 'extensions', 'intercom', 'intercom-gemini-hook.sh');
    writeFileSync(join(home, 'key.header'), 'Authorization: Bearer local-key\n');
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(home, { recursive: true, force: true });
  });

  const answer: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      calls.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(parts).toString() });
      if (request.url?.includes('/ack/') === true) response.writeHead(204).end();
      else response.writeHead(200, { [HOOK_OFFER_HEADER]: 'off_1' }).end('{"a":"\\n"}');
    });
  };

  function serve(at: string | number): Promise<Server> {
    const server = createServer(answer);
    servers.push(server);
    return new Promise((resolve) => {
      const ready = () => resolve(server);
      if (typeof at === 'string') server.listen(at, ready);
      else server.listen(at, '127.0.0.1', ready);
    });
  }

  function run(env: Readonly<Record<string, string>>): Promise<{ out: string; err: string; code: number | null }> {
    const child = spawn('/bin/sh', [script, 'AfterTool'], { env: { PATH: process.env.PATH ?? '', ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    // It need not read what it has nobody to tell.
    child.stdin.on('error', () => undefined);
    child.stdin.end('{"session_id":"s-1"}');
    return new Promise((resolve) => child.once('close', (code) => resolve({ out, err, code })));
  }

  it('a session of its person: the daemon is told, its answer printed and acknowledged', async () => {
    await serve(join(home, 'd.sock'));
    expect(await run({ GEMINI_SESSION_ID: 's-1' })).toEqual({ out: '{"a":"\\n"}\n', err: '', code: 0 });
    expect(calls.map(({ path }) => path)).toEqual(['/local/hook/gemini/AfterTool', '/local/hook/ack/off_1']);
    expect(calls[0]).toMatchObject({ body: '{"session_id":"s-1"}' });
    expect(calls[0]?.headers).toMatchObject({
      authorization: 'Bearer local-key',
      'x-intercom-agent': 'gemini',
      'x-intercom-session': 's-1',
      'x-intercom-pid': String(process.pid),
    });
  });

  it('a session of a runner: its endpoint is told, and never the daemon', async () => {
    await serve(join(home, 'd.sock'));
    const address = (await serve(0)).address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const url = `http://127.0.0.1:${address.port}/hook`;
    const env = { INTERCOM_RUNNER: 'r', INTERCOM_HOOK_URL: url, INTERCOM_HOOK_TOKEN: 'token' };
    expect(await run(env)).toEqual({ out: '{"a":"\\n"}', err: '', code: 0 });
    expect(calls.map(({ path }) => path)).toEqual(['/hook/AfterTool']);
    expect(calls[0]?.headers).toMatchObject({ authorization: 'Bearer token' });
    expect(await run({ INTERCOM_RUNNER: 'r' })).toEqual({ out: '', err: '', code: 0 });
    expect(calls).toHaveLength(1);
  });

  it('nobody there: silence, as whatever it printed would be taken for an answer', async () => {
    expect(await run({})).toEqual({ out: '', err: '', code: 0 });
    const gone = { INTERCOM_HOOK_URL: 'http://127.0.0.1:1/hook', INTERCOM_HOOK_TOKEN: 't' };
    expect(await run(gone)).toEqual({ out: '', err: '', code: 0 });
  });
});
