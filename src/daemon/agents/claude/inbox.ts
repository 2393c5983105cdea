/** The way into Claude Code's inbox sockets, with the receipts that come back. One reply socket per directory of sockets. */
import { dirname } from 'node:path';
import { Emitter } from '../../../platform/emitter.ts';
import type { Log } from '../../../platform/log.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import type { Unsubscribe } from '../../ports.ts';
import type { InboxChannel, ReceiptStatus, WakeReceipt } from '../../sessions/agent-port.ts';
import { InboxConnection, inboxLine, socketFault } from './inbox-socket.ts';
import { plainLine } from './registry-record.ts';
import { ReplySocket } from './reply-socket.ts';
import type { InboxReceipt } from './reply-socket.ts';

export class ClaudeInbox {
  readonly #options: { readonly pid: number; readonly uid: number | undefined; readonly log: Log };
  readonly #replies = new Map<string, Promise<ReplySocket | undefined>>();
  readonly #receipts: Emitter<WakeReceipt>;

  constructor(options: { readonly pid: number; readonly uid: number | undefined; readonly log: Log }) {
    this.#options = options;
    this.#receipts = new Emitter((err) => options.log.error({ err }, 'a listener for receipts failed'));
  }

  onReceipt(listener: (receipt: WakeReceipt) => void): Unsubscribe {
    return this.#receipts.subscribe(listener);
  }

  async open(session: string, path: string | undefined): Promise<InboxChannel> {
    const fault = path === undefined ? 'the session has no inbox socket' : await socketFault(path, this.#options.uid);
    if (path === undefined || fault !== undefined) throw closed(fault ?? 'the session has no inbox socket');
    const reply = await this.#replySocket(dirname(path));
    const connection = await InboxConnection.open(path).catch((cause: unknown) => {
      throw closed('nobody listens on its inbox socket', cause);
    });
    return {
      send: (wake) =>
        connection.send(
          inboxLine({
            wakeId: wake.id,
            sessionId: session,
            replySocket: reply?.path,
            senderName: wake.sender,
            text: wake.text,
          }),
        ),
      close: () => connection.close(),
    };
  }

  async close(): Promise<void> {
    for (const reply of this.#replies.values()) await (await reply)?.close();
    this.#replies.clear();
  }

  /** Without one, messages still go in; only what is held or refused there stays unknown. */
  #replySocket(directory: string): Promise<ReplySocket | undefined> {
    const present = this.#replies.get(directory);
    if (present !== undefined) return present;
    const made = ReplySocket.listen(directory, this.#options.pid, (receipt) => this.#tell(receipt)).catch(
      (err: unknown) => {
        this.#options.log.warn(
          { err },
          'no socket for receipts beside Claude Code’s; held and refused messages will not be noticed',
        );
        this.#replies.delete(directory);
        return undefined;
      },
    );
    this.#replies.set(directory, made);
    return made;
  }

  #tell(receipt: InboxReceipt): void {
    const meaning = meaningOf(receipt);
    if (meaning !== undefined) this.#receipts.emit({ wakeIds: receipt.wakeIds, ...meaning });
  }
}

/** Claude Code's words in ours. Statuses that are not known are not guessed at. */
export function meaningOf(
  receipt: InboxReceipt,
): { readonly status: ReceiptStatus; readonly reason: string } | undefined {
  const detail = plainLine(receipt.detail, 80);
  switch (receipt.status) {
    case 'held':
      return {
        status: 'held',
        reason:
          'Claude Code asks the person at its terminal first: up to 5 minutes, without limit if crossSessionInbound is "hold"',
      };
    case 'denied':
      return { status: 'denied', reason: 'denied by the person at the terminal' };
    case 'delivered':
      return { status: 'released', reason: 'receipt: released at the terminal' };
    case 'expired':
      return detail === 'refused'
        ? {
            status: 'refused',
            reason: 'refused: the session’s settings (crossSessionInbound) do not accept messages from outside',
          }
        : { status: 'expired', reason: 'nobody at the terminal decided in time' };
    case 'dropped':
      return { status: 'dropped', reason: `dropped by Claude Code (${detail ?? 'no reason given'})` };
    default:
      return undefined;
  }
}

function closed(why: string, cause?: unknown): IntercomError {
  return new IntercomError('unreachable', `The agent’s inbox cannot be used: ${why}.`, {
    next: 'It is tried again, or its hooks bring the message.',
    cause,
  });
}
