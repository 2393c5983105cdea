/**
 * A terminal of ours: the agent's pseudo-terminal, the model of its screen, its newest output, its raw log, and everybody who watches or types.
 *
 * Invariants: output that is not drawn yet never exceeds BACKLOG_HIGH by more than one read, and always fits into the ring, so that a snapshot and what
 * follows it are whole; a program that floods is held to FLOOD_RATE, so that it costs other sessions nothing; every key is dated, so that the
 * typing gate can leave a person alone; the size is the person's where one sits here.
 */
import type { Clock } from '../../platform/clock.ts';
import { INPUT_MAX } from '../../protocol/terminal-stream.ts';
import type { WatcherFrame } from '../../protocol/terminal-stream.ts';
import { Pty } from './pty.ts';
import type { PtyExit } from './pty.ts';
import { RawLog } from './raw-log.ts';
import { OutputRing } from './ring.ts';
import { Screen } from './screen.ts';
import type { Snapshot } from './screen.ts';
import { Watcher } from './watcher.ts';
import type { WatcherSink } from './watcher.ts';

const SCROLLBACK = 2_000;
const RING = 1024 * 1024;
/** Bytes that may wait to be drawn; above it the program is not read. */
const BACKLOG_HIGH = 256 * 1024;
const BACKLOG_LOW = 64 * 1024;
/** Bytes a second that a program may print for long; agents print a hundredth of it. */
const FLOOD_RATE = 4 * 1024 * 1024;
/** … and how much at once. */
const FLOOD_BURST = 4 * 1024 * 1024;
const FLOOD_PAUSE_MS = 50;

export interface TerminalOptions {
  readonly executable: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cols: number;
  readonly rows: number;
  readonly rawLog: { readonly path: string; readonly max: number };
  /** A person sits at it: their terminal answers the program's questions and gives the size. */
  readonly attended: boolean;
  readonly clock: Clock;
}

export class AgentTerminal {
  readonly #options: TerminalOptions;
  readonly #pty: Pty;
  readonly #screen: Screen;
  readonly #ring = new OutputRing(RING);
  readonly #log: RawLog;
  readonly #watchers = new Set<Watcher>();
  readonly #onOutput = new Set<(bytes: Buffer) => void>();
  readonly #onExit = new Set<(exit: PtyExit) => void>();
  readonly #holds = new Set<string>();
  #keyboard: Watcher | undefined;
  #lastKey = -Infinity;
  #keys = 0;
  #allowance = FLOOD_BURST;
  #allowedAt: number;
  #mostBacklog = 0;
  #exit: PtyExit | undefined;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#allowedAt = options.clock.monotonic();
    const { cols, rows } = options;
    this.#log = new RawLog(options.rawLog.path, options.rawLog.max);
    this.#screen = new Screen({
      cols,
      rows,
      scrollback: SCROLLBACK,
      ...(options.attended ? {} : { answer: (text: string) => void this.#pty.write(text) }),
    });
    this.#pty = new Pty({ ...options });
    this.#pty.onData((bytes) => this.#output(bytes));
    this.#pty.onExit((exit) => this.#ended(exit));
    this.#screen.onParsed(() => {
      if (this.#screen.backlog <= BACKLOG_LOW) this.#let('drawing');
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  get screen(): Screen {
    return this.#screen;
  }

  get exit(): PtyExit | undefined {
    return this.#exit;
  }

  /** The watcher that has the keyboard. */
  get keyboardHolder(): string | undefined {
    return this.#keyboard?.name;
  }

  /** Milliseconds since a person last pressed a key here, wherever they sit. */
  get sinceKey(): number {
    return this.#options.clock.monotonic() - this.#lastKey;
  }

  /** How many times a person's keys have come. */
  get keyCount(): number {
    return this.#keys;
  }

  /** Counters for tests and benches: what was ever held at most. */
  get figures(): { readonly mostBacklog: number; readonly printed: number; readonly watchers: number } {
    return { mostBacklog: this.#mostBacklog, printed: this.#ring.end, watchers: this.#watchers.size };
  }

  onOutput(listener: (bytes: Buffer) => void): () => void {
    this.#onOutput.add(listener);
    return () => this.#onOutput.delete(listener);
  }

  onExit(listener: (exit: PtyExit) => void): void {
    this.#onExit.add(listener);
  }

  /** Stops reading the program until `reason` is let go. */
  hold(reason: string): void {
    if (this.#holds.size === 0) this.#pty.pause();
    this.#holds.add(reason);
  }

  release(reason: string): void {
    this.#let(reason);
  }

  /** Keys of the person who sits at this terminal. */
  person(bytes: Uint8Array): boolean {
    this.#pressed();
    return this.#pty.write(bytes);
  }

  /** Our own typing: the gate's. */
  type(text: string): boolean {
    return this.#pty.write(text);
  }

  resize(cols: number, rows: number): void {
    if (cols === this.#screen.cols && rows === this.#screen.rows) return;
    this.#pty.resize(cols, rows);
    // What was printed for the old size is drawn at the old size.
    void this.#screen.flushed().then(() => {
      this.#screen.resize(cols, rows);
      for (const watcher of this.#watchers) watcher.frame({ frame: 'resized', cols, rows });
    });
  }

  watch(options: { readonly name: string; readonly mayType: boolean; readonly sink: WatcherSink }): Watcher {
    const watcher = new Watcher({ ...options, terminal: { look: () => this.#look() } });
    this.#watchers.add(watcher);
    if (this.#exit !== undefined) void this.#screen.flushed().then(() => this.#tellEnd(watcher));
    return watcher;
  }

  leave(watcher: Watcher): void {
    watcher.gone();
    this.#watchers.delete(watcher);
    if (this.#keyboard === watcher) this.#giveKeyboard(undefined);
  }

  /** What a watcher asks for. */
  ask(watcher: Watcher, frame: WatcherFrame): void {
    if (frame.frame === 'take') {
      if (watcher.mayType) this.#giveKeyboard(watcher);
      else watcher.frame({ frame: 'refused', reason: 'You may watch this terminal, but not type into it.' });
      return;
    }
    if (this.#keyboard !== watcher) {
      if (frame.frame !== 'release')
        watcher.frame({ frame: 'refused', reason: 'You do not have the keyboard; take it first.' });
      return;
    }
    if (frame.frame === 'release') this.#giveKeyboard(undefined);
    else if (frame.frame === 'input') this.#input(watcher, frame.data);
    else if (this.#options.attended)
      watcher.frame({ frame: 'refused', reason: 'A person sits at this terminal; its size is theirs.' });
    else this.resize(frame.cols, frame.rows);
  }

  dispose(): void {
    this.#log.close();
    this.#screen.dispose();
  }

  #input(watcher: Watcher, data: string): void {
    this.#pressed();
    if (data.length <= INPUT_MAX && this.#pty.write(data)) return;
    watcher.frame({ frame: 'refused', reason: 'The agent does not read its input now; the keys were not passed on.' });
  }

  #pressed(): void {
    this.#lastKey = this.#options.clock.monotonic();
    this.#keys += 1;
  }

  #giveKeyboard(to: Watcher | undefined): void {
    this.#keyboard = to;
    for (const watcher of this.#watchers) {
      watcher.frame({
        frame: 'keyboard',
        you: watcher === to,
        ...(to === undefined ? {} : { holder: to.name }),
      });
    }
  }

  #output(bytes: Buffer): void {
    const seq = this.#ring.end;
    this.#ring.push(bytes);
    this.#log.write(bytes);
    this.#screen.write(bytes);
    for (const watcher of this.#watchers) watcher.output(seq, bytes);
    for (const listener of this.#onOutput) listener(bytes);
    this.#mostBacklog = Math.max(this.#mostBacklog, this.#screen.backlog);
    if (this.#screen.backlog > BACKLOG_HIGH) this.hold('drawing');
    this.#slowDown(bytes.length);
  }

  #slowDown(count: number): void {
    const now = this.#options.clock.monotonic();
    this.#allowance = Math.min(FLOOD_BURST, this.#allowance + ((now - this.#allowedAt) / 1000) * FLOOD_RATE) - count;
    this.#allowedAt = now;
    if (this.#allowance > 0 || this.#holds.has('flood')) return;
    this.hold('flood');
    this.#options.clock.after(FLOOD_PAUSE_MS, () => this.#let('flood'));
  }

  #let(reason: string): void {
    if (this.#holds.delete(reason) && this.#holds.size === 0) this.#pty.resume();
  }

  async #look(): Promise<{ snapshot: Snapshot; rest: Buffer; keyboard: string | undefined }> {
    await this.#screen.flushed();
    const snapshot = this.#screen.snapshot();
    const rest = this.#ring.from(snapshot.seq);
    // The backlog is far below the ring's size: this cannot be.
    if (rest === undefined) throw new Error('output between snapshot and now is gone');
    return { snapshot, rest, keyboard: this.keyboardHolder };
  }

  #ended(exit: PtyExit): void {
    this.#exit = exit;
    this.#log.close();
    void this.#screen.flushed().then(() => {
      for (const watcher of this.#watchers) this.#tellEnd(watcher);
    });
    for (const listener of this.#onExit) listener(exit);
  }

  #tellEnd(watcher: Watcher): void {
    const { code, signal } = this.#exit ?? {};
    watcher.frame({
      frame: 'ended',
      ...(code === undefined ? {} : { exitCode: code }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}
