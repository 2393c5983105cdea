/**
 * Our own socket beside Claude Code's (`<our pid>.sock`, 0600), where its sessions send receipts: held at the terminal, denied there,
 * released, expired, refused, dropped. A message that is taken at once gives no receipt.
 *
 * Everything that arrives is from a process of the same user and otherwise unverified: it is parsed strictly, bounded, and can only
 * concern wakes that we sent to that session.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';

const LINE_MAX = 64 * 1024;
const CONNECTIONS_MAX = 64;

const StatusFrame = z.looseObject({
  type: z.literal('control'),
  action: z.literal('peer_message_status'),
  status: z.string().max(40),
  status_detail: z.string().max(200).optional().catch(undefined),
  drop_reason: z.string().max(100).optional().catch(undefined),
  reason: z.string().max(500).optional().catch(undefined),
  orig_msg_id: z.string().max(100).optional().catch(undefined),
  dropped_msg_ids: z.array(z.string().max(100)).max(1000).optional().catch(undefined),
});

/** One receipt, in Claude Code's words. */
export interface InboxReceipt {
  /** The wakes it is about. */
  readonly wakeIds: readonly string[];
  /** held, denied, delivered, expired, dropped. */
  readonly status: string;
  readonly detail: string | undefined;
  readonly reason: string | undefined;
}

export function parseReceipt(line: string): InboxReceipt | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const frame = StatusFrame.safeParse(value);
  if (!frame.success) return undefined;
  const { status, status_detail, drop_reason, reason, orig_msg_id, dropped_msg_ids } = frame.data;
  const wakeIds = [...new Set([...(orig_msg_id === undefined ? [] : [orig_msg_id]), ...(dropped_msg_ids ?? [])])];
  return { wakeIds, status, detail: drop_reason ?? status_detail, reason };
}

export class ReplySocket {
  readonly path: string;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(path: string, onReceipt: (receipt: InboxReceipt) => void) {
    this.path = path;
    this.#server = createServer((socket) => this.#read(socket, onReceipt));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Listens in `directory`, which must be the one that holds the sessions' own sockets. */
  static async listen(
    directory: string,
    pid: number,
    onReceipt: (receipt: InboxReceipt) => void,
  ): Promise<ReplySocket> {
    const path = join(directory, `${pid}.sock`);
    const left = await lstat(path).catch(() => undefined);
    // The name holds our own pid: whatever lies there is from a process that is gone.
    if (left?.isSocket() === true) await unlink(path);
    const reply = new ReplySocket(path, onReceipt);
    await new Promise<void>((resolve, reject) => {
      reply.#server.once('error', reject);
      reply.#server.listen(path, () => resolve());
    });
    await chmod(path, 0o600);
    reply.#server.unref();
    return reply;
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await unlink(this.path).catch(() => undefined);
  }

  #read(socket: Socket, onReceipt: (receipt: InboxReceipt) => void): void {
    this.#open.add(socket);
    socket.unref();
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => undefined);
    socket.setTimeout(30_000, () => socket.destroy());
    socket.setEncoding('utf8');
    let rest = '';
    socket.on('data', (part: string) => {
      rest += part;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const receipt = parseReceipt(rest.slice(0, end));
        rest = rest.slice(end + 1);
        if (receipt !== undefined) onReceipt(receipt);
      }
      if (rest.length > LINE_MAX) socket.destroy();
    });
  }
}
