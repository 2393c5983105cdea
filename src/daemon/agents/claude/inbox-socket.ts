/**
 * Writes to a Claude Code session's own inbox socket.
 *
 * Invariants: only a socket that was verified is written to (a real socket, no link, owned by us, in a directory that is ours); the
 * session id is in the frame, so that a session that changed under the same pid drops it; one connection per message; never more
 * than WIRE_MAX; never `priority`, so nothing of the person's is interrupted; no claim about permission modes.
 * A finished write proves nothing: proof comes from the agent's hooks, transcript or receipts.
 */
import { lstat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { errorCode } from '../../../platform/files.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import { escapeAttribute } from '../../sessions/frame.ts';

/** Bytes of one line. Claude Code takes 1 MiB and closes silently above; far below, so that nothing is ever lost to it. */
const WIRE_MAX = 384 * 1024;
/** A connection must be there at once: it is the same machine. */
const CONNECT_MS = 2000;

export interface InboxFrame {
  /** A UUID, new for each try; receipts name it. */
  readonly wakeId: string;
  readonly sessionId: string;
  /** Our own socket for receipts, if we have one there. */
  readonly replySocket: string | undefined;
  /** The sender as the person sees it in the terminal. */
  readonly senderName: string;
  /** Framed text; already escaped where it must be. */
  readonly text: string;
}

/**
 * The line that Claude Code reads, in the wrapper that it uses itself: attributes `from` and `from-name`, body on its own lines.
 *
 * The wrapper's `from` is a plain word and not our socket: Claude Code tells the model to answer to that address with its own SendMessage, and
 * such an answer would go nowhere. Receipts come by the frame's `from`, which the model does not see.
 */
export function inboxLine(frame: InboxFrame): string {
  const content = `<cross-session-message from="intercom" from-name="${escapeAttribute(frame.senderName)}">\n${frame.text}\n</cross-session-message>`;
  const line = JSON.stringify({
    msgV: 1,
    type: 'user',
    message: { role: 'user', content },
    msg_id: frame.wakeId,
    session_id: frame.sessionId,
    ...(frame.replySocket === undefined ? {} : { from: `uds:${frame.replySocket}` }),
  });
  if (Buffer.byteLength(line) > WIRE_MAX) {
    throw new IntercomError('too_large', 'The text is too long for the agent’s inbox.', {
      next: 'Send a shorter text, or a path to a file.',
    });
  }
  return `${line}\n`;
}

/** Says why this path must not be written to, or undefined when it is a socket of ours. */
export async function socketFault(path: string, uid: number | undefined): Promise<string | undefined> {
  try {
    const socket = await lstat(path);
    if (socket.isSymbolicLink()) return 'its inbox socket is a symbolic link';
    if (!socket.isSocket()) return 'its inbox path is not a socket';
    if (uid !== undefined && socket.uid !== uid) return 'its inbox socket belongs to another user';
    const directory = await lstat(dirname(path));
    if (uid !== undefined && directory.uid !== uid) return 'the directory of its inbox socket belongs to another user';
    if ((directory.mode & 0o022) !== 0) return 'others may write into the directory of its inbox socket';
    return undefined;
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? 'its inbox socket is gone' : 'its inbox socket cannot be looked at';
  }
}

/** A connection that nothing was written to yet. Claude Code closes it if no line comes within 30 s. */
export class InboxConnection {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static open(path: string): Promise<InboxConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path });
      const timer = setTimeout(() => socket.destroy(new Error('no answer from the inbox socket')), CONNECT_MS);
      socket.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        // Later failures show as a refused write or as missing proof.
        socket.on('error', () => undefined);
        // Nothing is expected to come back here; reading lets the close be noticed.
        socket.resume();
        resolve(new InboxConnection(socket));
      });
    });
  }

  /** Hands the line over and closes. Resolves when the kernel has it. */
  send(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.end(line, 'utf8', () => resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
