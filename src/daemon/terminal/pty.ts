/**
 * An agent in a pseudo-terminal of its own: its session and process group are its own, its output comes as bytes, its input is queued within
 * a bound. The only file that knows node-pty.
 *
 * Invariants: bytes are handed on as they are read, whatever characters they cut; `exit` comes once, after the last output; input that the
 * program does not read never grows beyond INPUT_QUEUE_MAX and never keeps the processor busy.
 */
import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { ReadStream } from 'node:tty';
import { spawn } from 'node-pty';
import type { IPty } from 'node-pty';
import type { Clock } from '../../platform/clock.ts';
import { errorCode } from '../../platform/files.ts';

const INPUT_QUEUE_MAX = 1024 * 1024;
/** A program that does not read its input is asked again after this long. Milliseconds. */
const INPUT_RETRY_MS = 5;

export interface PtyOptions {
  readonly executable: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
  readonly clock: Clock;
}

export interface PtyExit {
  readonly code?: number;
  readonly signal?: string;
}

export class Pty {
  readonly pid: number;
  readonly #pty: IPty;
  /** The terminal's other side, while it is open. Its number may be another file's after that, so nothing is written to it then. */
  readonly #side: { readonly fd: number; readonly stream: ReadStream } | undefined;
  readonly #clock: Clock;
  readonly #queue: Buffer[] = [];
  #queued = 0;
  #writing = false;
  #ended = false;

  constructor(options: PtyOptions) {
    this.#clock = options.clock;
    this.#pty = spawn(options.executable, [...options.argv], {
      name: options.environment.TERM ?? 'xterm-256color',
      cols: options.cols,
      rows: options.rows,
      cwd: options.cwd,
      env: { ...options.environment },
      // Bytes, not text: a character may be cut between two reads.
      encoding: null,
    });
    this.pid = this.#pty.pid;
    const fd: unknown = Reflect.get(this.#pty, 'fd');
    const stream: unknown = Reflect.get(this.#pty, '_socket');
    this.#side = typeof fd === 'number' && stream instanceof ReadStream ? { fd, stream } : undefined;
  }

  onData(listener: (bytes: Buffer) => void): void {
    // Without an encoding node-pty gives buffers, whatever its types say.
    this.#pty.onData((data: unknown) => {
      if (Buffer.isBuffer(data)) listener(data);
      else if (typeof data === 'string') listener(Buffer.from(data, 'utf8'));
    });
  }

  onExit(listener: (exit: PtyExit) => void): void {
    this.#pty.onExit(({ exitCode, signal }) => {
      if (this.#ended) return;
      this.#ended = true;
      this.#queue.length = 0;
      this.#queued = 0;
      const name = signal === undefined || signal === 0 ? undefined : signalName(signal);
      listener(name === undefined ? { code: exitCode } : { signal: name });
    });
  }

  /** False: the program does not read its input, and too much waits for it already. */
  write(input: string | Uint8Array): boolean {
    const bytes = typeof input === 'string' ? Buffer.from(input, 'utf8') : Buffer.from(input);
    if (this.#ended) return false;
    if (this.#side === undefined) {
      this.#pty.write(bytes);
      return true;
    }
    if (this.#queued + bytes.length > INPUT_QUEUE_MAX) return false;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#writing) this.#pump();
    return true;
  }

  resize(cols: number, rows: number): void {
    if (this.#ended) return;
    try {
      this.#pty.resize(cols, rows);
    } catch {
      // It has just ended.
    }
  }

  pause(): void {
    this.#pty.pause();
  }

  resume(): void {
    this.#pty.resume();
  }

  /** node-pty's own queue asks again at once and for ever, and takes any amount; this one waits between, and is bounded. */
  #pump(): void {
    this.#writing = false;
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const written = this.#put(head);
      if (written === 'gone') {
        this.#queue.length = 0;
        this.#queued = 0;
        return;
      }
      this.#queued -= written;
      if (written === head.length) {
        this.#queue.shift();
        continue;
      }
      this.#queue[0] = head.subarray(written);
      this.#writing = true;
      this.#clock.after(INPUT_RETRY_MS, () => this.#pump());
      return;
    }
  }

  #put(bytes: Buffer): number | 'gone' {
    const side = this.#side;
    if (this.#ended || side === undefined || side.stream.destroyed) return 'gone';
    try {
      return writeSync(side.fd, bytes);
    } catch (error) {
      return errorCode(error) === 'EAGAIN' ? 0 : 'gone';
    }
  }
}

function signalName(signal: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === signal);
  return found?.[0] ?? `signal ${signal}`;
}
