/**
 * One watcher of a terminal, and what it is sent: first a snapshot, then output as it comes.
 *
 * Invariants: at most WATCHER_BACKLOG_MAX bytes wait for a watcher; one that falls behind is sent nothing until it has read what it was sent,
 * then a new snapshot. Frames are in the order of the terminal: what a snapshot holds is not sent again, what follows it is sent whole.
 */
import { WATCHER_BACKLOG_MAX } from '../../protocol/terminal-stream.ts';
import type { TerminalFrame } from '../../protocol/terminal-stream.ts';
import type { Snapshot } from './screen.ts';

/** Where frames go: a WebSocket, seen from here. */
export interface WatcherSink {
  frame(frame: TerminalFrame): void;
  /** `sent` is called when the bytes have left this process (or never will). */
  output(bytes: Uint8Array, sent: () => void): void;
  /** Bytes that were handed over and have not left yet. */
  waiting(): number;
}

export interface WatchedTerminal {
  /** Resolves to a snapshot, and to the output that came after it. */
  look(): Promise<{ readonly snapshot: Snapshot; readonly rest: Buffer; readonly keyboard: string | undefined }>;
}

/** A watcher that fell behind is looked after again when no more than this waits for it. */
const CAUGHT_UP = WATCHER_BACKLOG_MAX / 8;
/** Frames about size, keyboard and end: the newest tell all. */
const LATER_MAX = 50;

export class Watcher {
  readonly name: string;
  readonly mayType: boolean;
  readonly #sink: WatcherSink;
  readonly #terminal: WatchedTerminal;
  /** behind: nothing is sent until it has read · looking: a snapshot is being made · live: output is passed on */
  #state: 'behind' | 'looking' | 'live' | 'gone' = 'looking';
  #skipped = false;
  #snapshots = 0;
  /** Frames that wait for the snapshot: it is always the first. */
  #later: TerminalFrame[] = [];

  constructor(options: { name: string; mayType: boolean; sink: WatcherSink; terminal: WatchedTerminal }) {
    this.name = options.name;
    this.mayType = options.mayType;
    this.#sink = options.sink;
    this.#terminal = options.terminal;
    this.#look();
  }

  /** How many snapshots it was sent. */
  get snapshots(): number {
    return this.#snapshots;
  }

  /** Output of the terminal, the first byte having the number `seq`. */
  output(seq: number, bytes: Uint8Array): void {
    if (this.#state !== 'live') return;
    if (this.#sink.waiting() + bytes.length > WATCHER_BACKLOG_MAX) {
      this.#state = 'behind';
      this.#skipped = true;
      this.#catchUp();
      return;
    }
    this.#send(seq, bytes);
  }

  frame(frame: TerminalFrame): void {
    if (this.#state === 'live') this.#sink.frame(frame);
    else if (this.#state !== 'gone') this.#later = [...this.#later, frame].slice(-LATER_MAX);
  }

  gone(): void {
    this.#state = 'gone';
  }

  #send(seq: number, bytes: Uint8Array): void {
    const head = Buffer.alloc(8);
    head.writeBigUInt64BE(BigInt(seq));
    this.#sink.output(Buffer.concat([head, bytes]), () => this.#catchUp());
  }

  #catchUp(): void {
    if (this.#state === 'behind' && this.#sink.waiting() <= CAUGHT_UP) this.#look();
  }

  #look(): void {
    this.#state = 'looking';
    this.#terminal
      .look()
      .then(({ snapshot, rest, keyboard }) => {
        if (this.#state !== 'looking') return;
        this.#sink.frame({
          frame: 'snapshot',
          cols: snapshot.cols,
          rows: snapshot.rows,
          seq: snapshot.seq,
          screen: snapshot.screen,
          title: snapshot.title,
          skipped: this.#skipped,
          ...(keyboard === undefined ? {} : { keyboard }),
        });
        this.#snapshots += 1;
        this.#skipped = false;
        this.#state = 'live';
        if (rest.length > 0) this.#send(snapshot.seq, rest);
        for (const frame of this.#later.splice(0)) this.#sink.frame(frame);
      })
      .catch(() => {
        this.#state = 'gone';
      });
  }
}
