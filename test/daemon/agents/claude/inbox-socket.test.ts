import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inboxLine, socketFault } from '../../../../src/daemon/agents/claude/inbox-socket.ts';
import { ClaudeInbox, meaningOf } from '../../../../src/daemon/agents/claude/inbox.ts';
import { parseReceipt } from '../../../../src/daemon/agents/claude/reply-socket.ts';
import { decideRung } from '../../../../src/daemon/agents/claude/rung.ts';
import { silentLog } from '../../../../src/platform/log.ts';
import type { WakeReceipt } from '../../../../src/daemon/sessions/agent-port.ts';

let directory: string;
let path: string;
let server: Server;
let lines: string[];
let connections: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ic-socks-'));
  path = join(directory, '4711.sock');
  lines = [];
  connections = 0;
  server = createServer((socket) => {
    connections += 1;
    let text = '';
    socket.on('data', (part) => (text += part.toString()));
    socket.on('end', () => lines.push(text));
  });
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
});

afterEach(async () => {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true, force: true });
});

const uid = process.getuid?.();

describe('the line', () => {
  const frame = {
    wakeId: 'w-1',
    sessionId: 's-1',
    replySocket: '/tmp/x/1.sock',
    senderName: 'desk/"a"<b>',
    text: 'line one\nline two',
  };

  it('has the exact wrapper, the session id, our id, and no priority, token or mode', () => {
    const line = inboxLine(frame);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toEqual({
      msgV: 1,
      type: 'user',
      message: {
        role: 'user',
        content:
          '<cross-session-message from="intercom" from-name="desk/&quot;a&quot;&lt;b&gt;">\nline one\nline two\n</cross-session-message>',
      },
      msg_id: 'w-1',
      session_id: 's-1',
      from: 'uds:/tmp/x/1.sock',
    });
  });

  it('refuses what the agent would silently drop', () => {
    expect(() => inboxLine({ ...frame, text: 'x'.repeat(400 * 1024) })).toThrow(/too long/);
  });
});

describe('the socket', () => {
  it('is written to only when it is what it should be', async () => {
    expect(await socketFault(path, uid)).toBeUndefined();
    symlinkSync(path, join(directory, 'link.sock'));
    expect(await socketFault(join(directory, 'link.sock'), uid)).toMatch(/symbolic link/);
    writeFileSync(join(directory, 'file.sock'), '');
    expect(await socketFault(join(directory, 'file.sock'), uid)).toMatch(/not a socket/);
    expect(await socketFault(join(directory, 'none.sock'), uid)).toMatch(/gone/);
    expect(await socketFault(path, 99_999)).toMatch(/another user/);
    chmodSync(directory, 0o777);
    expect(await socketFault(path, uid)).toMatch(/others may write/);
    chmodSync(directory, 0o700);
  });

  it('gets one connection for each message; receipts come back beside it, on a socket only we can open', async () => {
    const inbox = new ClaudeInbox({ pid: 999_001, uid, log: silentLog() });
    const receipts: WakeReceipt[] = [];
    const told = new Promise<void>((resolve) => {
      inbox.onReceipt((receipt) => {
        receipts.push(receipt);
        resolve();
      });
    });
    for (const id of ['w-1', 'w-2']) {
      const channel = await inbox.open('s-1', path);
      await channel.send({ id, sender: 'desk/api', text: id });
    }
    while (lines.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(connections).toBe(2);
    expect(lines.map((line) => line.split('\n').length)).toEqual([2, 2]);
    const reply = join(directory, '999001.sock');
    expect(lstatSync(reply).mode & 0o777).toBe(0o600);
    const back = connect(reply);
    back.write('not json\n{"type":"user","message":{}}\n');
    back.end(
      `${JSON.stringify({ type: 'control', action: 'peer_message_status', status: 'held', orig_msg_id: 'w-1' })}\n`,
    );
    await told;
    expect(receipts).toMatchObject([{ wakeIds: ['w-1'], status: 'held' }]);
    await inbox.close();
    expect(() => lstatSync(reply)).toThrow(/ENOENT/);
  });

  it('nobody behind it is an error in words, before anything is written', async () => {
    const inbox = new ClaudeInbox({ pid: 999_002, uid, log: silentLog() });
    await expect(inbox.open('s-1', join(directory, 'gone.sock'))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(inbox.open('s-1', undefined)).rejects.toMatchObject({ code: 'unreachable' });
    mkdirSync(join(directory, 'empty'));
    await inbox.close();
  });
});

describe('receipts', () => {
  const status = (fields: object) =>
    JSON.stringify({ type: 'control', action: 'peer_message_status', orig_msg_id: 'w', ...fields });

  it.each([
    [{ status: 'held' }, 'held'],
    [{ status: 'denied' }, 'denied'],
    [{ status: 'delivered' }, 'released'],
    [{ status: 'expired' }, 'expired'],
    [{ status: 'expired', status_detail: 'refused' }, 'refused'],
    [{ status: 'dropped', drop_reason: 'rate-limited' }, 'dropped'],
    [{ status: 'something new' }, undefined],
  ])('%j means %s', (fields, meaning) => {
    const receipt = parseReceipt(status(fields));
    expect(receipt === undefined ? undefined : meaningOf(receipt)?.status).toBe(meaning);
  });

  it('a dropped burst names all that went with it', () => {
    expect(parseReceipt(status({ status: 'dropped', dropped_msg_ids: ['w', 'x', 'y'] }))?.wakeIds).toEqual([
      'w',
      'x',
      'y',
    ]);
  });

  it.each(['', '{', '[]', '{"type":"control"}', '{"type":"user","status":"held"}'])('%j is none', (line) => {
    expect(parseReceipt(line)).toBeUndefined();
  });
});

describe('which way a session is reached', () => {
  const best = {
    newEnough: true,
    socketFault: undefined,
    permissionMode: undefined,
    headless: false,
    ourStream: false,
    hooks: true,
    inbound: undefined,
  } as const;

  it.each([
    [{}, 'inbox_socket', undefined],
    [{ hooks: false }, 'inbox_socket', undefined],
    [{ newEnough: false }, 'hooks', /older than 2\.1\.224/],
    [{ newEnough: false, hooks: false }, 'pull', /intercom hooks install/],
    [{ socketFault: 'its inbox socket is gone' }, 'hooks', /is gone/],
    [{ permissionMode: 'bypassPermissions' }, 'hooks', /bypasses permissions/],
    [{ permissionMode: 'bypassPermissions', hooks: false }, 'inbox_socket', /asks at the terminal/],
    [{ permissionMode: 'bypassPermissions', inbound: 'accept' }, 'inbox_socket', undefined],
    // A person's own setting is respected, not walked around by hooks.
    [{ inbound: 'refuse' }, 'inbox_socket', /"refuse"/],
    [{ inbound: 'hold', permissionMode: 'bypassPermissions' }, 'inbox_socket', /"hold"/],
    [{ headless: true }, 'pull', /without a person/],
    [{ headless: true, ourStream: true }, 'stream', undefined],
  ] as const)('%j → %s', (facts, rung, note) => {
    const choice = decideRung({ ...best, ...facts });
    expect(choice.rung).toBe(rung);
    if (note === undefined) expect(choice.rungNote).toBeUndefined();
    else expect(choice.rungNote).toMatch(note);
  });
});
