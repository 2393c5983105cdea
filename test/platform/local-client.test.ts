import { chmod, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalClient } from '../../src/platform/local-client.ts';
import { resolvePaths } from '../../src/platform/paths.ts';
import type { Paths } from '../../src/platform/paths.ts';
import { newId } from '../../src/protocol/ids.ts';
import { ScriptedDaemon, status } from '../support/scripted-daemon.ts';

let daemon: ScriptedDaemon;
let paths: Paths;

beforeEach(async () => {
  daemon = await ScriptedDaemon.start();
  paths = resolvePaths({ INTERCOM_HOME: daemon.home });
});
afterEach(() => daemon.stop());

function clientWith(options: { readonly onPause?: () => Promise<void> } = {}): LocalClient {
  return new LocalClient({
    socketPath: paths.daemonSocket,
    keyPath: paths.daemonKey,
    caller: () => ({ cwd: '/srv/é', pid: 7 }),
    retryPauses: [1, 1],
    pause: async () => options.onPause?.(),
  });
}

describe('the client of the local API', () => {
  it('does not send its key to a socket in a directory that others can write to', async () => {
    await chmod(dirname(paths.daemonSocket), 0o777);
    await expect(clientWith().status()).rejects.toMatchObject({ code: 'forbidden' });
    expect(daemon.seen).toEqual([]);
  });

  it('reads the key anew at each call', async () => {
    const client = clientWith();
    await client.whoami();
    await writeFile(paths.daemonKey, 'another-key-of-at-least-thirty-two-characters');
    await expect(client.whoami()).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('waits for a daemon that restarts', async () => {
    await daemon.down();
    expect(await clientWith({ onPause: () => daemon.up() }).whoami()).toMatchObject({ machine: 'laptop' });
  });

  it('never sends a message twice without a key that makes it safe', async () => {
    daemon.on('submit', () => new Promise(() => void daemon.down()));
    let pauses = 0;
    const client = clientWith({
      onPause: async () => {
        pauses += 1;
      },
    });
    await expect(client.submit({ kind: 'send', to: 'human', body: 'x' })).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(pauses).toBe(0);
    expect(daemon.count('submit')).toBe(1);
  });

  it('names the caller on every call', async () => {
    await clientWith().whoami();
    expect(daemon.seen[0]?.caller).toEqual({ agent: undefined, pid: '7', session: undefined, cwd: '/srv/é' });
  });

  it('hangs up at once when its caller gives up', async () => {
    daemon.on('message', () => new Promise(() => undefined));
    const abort = new AbortController();
    const slice = daemon.next('message');
    const call = clientWith().message(newId('message'), { seconds: 25, for: 'answer', signal: abort.signal });
    const { gone, query } = await slice;
    expect([query.get('wait'), query.get('for')]).toEqual(['25', 'answer']);
    const hungUp = new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve()));
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    await hungUp;
  });

  it.each([
    ['a text that is not JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'unsupported_version'],
    ['a refusal without a reason', 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n', 'internal'],
    ['half an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{', 'unreachable'],
    ['no HTTP at all', 'SSH-2.0-x\r\n', 'unreachable'],
  ])('turns %s into an error with a code', async (_what, answer, code) => {
    await daemon.down();
    await unlink(paths.daemonSocket).catch(() => undefined);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((resolve) => server.listen(paths.daemonSocket, resolve));
    await expect(clientWith().status()).rejects.toMatchObject({ code });
    await new Promise((resolve) => server.close(resolve));
  });

  it('passes what it asks for through as it is', async () => {
    const known = status();
    daemon.on('message', () => known);
    expect(await clientWith().message(known.id)).toEqual(known);
  });
});
