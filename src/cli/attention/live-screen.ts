/**
 * This terminal as a full screen of ours: raw keys in, lines out; only lines that changed are written.
 *
 * Invariants: the terminal is left as it was found, however the program ends (its end, an error, a signal, being stopped and continued); a line never wraps into another.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../../platform/clock.ts';
import { widthOf } from '../print/style.ts';
import { KeyReader, type Key } from './keys.ts';

/** What of a terminal is used: process.stdin and process.stdout are one. */
export interface TerminalInput {
  setRawMode(on: boolean): unknown;
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
  unref(): unknown;
}
export interface TerminalOutput {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}
/** The signals of job control, and the end of the process: `process` is one. */
export interface ProcessSignals {
  on(event: 'SIGTSTP' | 'SIGCONT' | 'exit', listener: () => void): unknown;
  off(event: 'SIGTSTP' | 'SIGCONT' | 'exit', listener: () => void): unknown;
  /** Stops this process until it is continued. */
  stop(): void;
}

export interface LiveScreenParts {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly signals: ProcessSignals;
  readonly clock: Clock;
  readonly onKey: (key: Key) => void;
  /** Everything is to be drawn: the size changed, or the program goes on. */
  readonly onRedraw: () => void;
  /** The program is stopped (true), or goes on (false). */
  readonly onStopped: (stopped: boolean) => void;
}

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[?7h\x1b[?2004l\x1b[?25h\x1b[?1049l';
/** An ESC that nothing follows for so long is the Escape key. */
const ESCAPE_MS = 30;

export class LiveScreen {
  readonly #parts: LiveScreenParts;
  readonly #keys = new KeyReader();
  readonly #decoder = new StringDecoder('utf8');
  #drawn: readonly string[] = [];
  #there = false;
  readonly #onData = (bytes: Buffer): void => this.#data(bytes);
  readonly #onResize = (): void => this.redraw();
  readonly #onStop = (): void => this.suspend();
  readonly #onContinue = (): void => this.#continue();
  readonly #onExit = (): void => this.#leave();

  constructor(parts: LiveScreenParts) {
    this.#parts = parts;
    const { input, output, signals } = parts;
    input.on('data', this.#onData);
    output.on('resize', this.#onResize);
    signals.on('SIGTSTP', this.#onStop);
    signals.on('SIGCONT', this.#onContinue);
    signals.on('exit', this.#onExit);
    this.#enter();
  }

  get size(): { readonly cols: number; readonly height: number } {
    const { columns, rows } = this.#parts.output;
    return { cols: Math.max(20, columns), height: Math.max(4, rows) };
  }

  draw(lines: readonly string[]): void {
    if (!this.#there) return;
    const { cols } = this.size;
    // A full row leaves the cursor on its last letter, which clearing the rest would take.
    const rest = (line: string): string => (widthOf(line) < cols ? '\x1b[K' : '');
    const changed = lines.flatMap((line, index) =>
      line === this.#drawn[index] ? [] : [`\x1b[${index + 1};1H\x1b[0m${line}\x1b[0m${rest(line)}`],
    );
    this.#drawn = lines;
    // The terminal shows all of it at once where it can.
    if (changed.length > 0) this.#parts.output.write(`\x1b[?2026h${changed.join('')}\x1b[?2026l`);
  }

  redraw(): void {
    this.#drawn = [];
    if (this.#there) this.#parts.output.write('\x1b[2J');
    this.#parts.onRedraw();
  }

  /** Gives the terminal back and stops, as Ctrl-Z does; `SIGCONT` comes back. */
  suspend(): void {
    this.#parts.onStopped(true);
    this.#leave();
    this.#parts.signals.stop();
  }

  close(): void {
    const { input, output, signals } = this.#parts;
    input.off('data', this.#onData);
    output.off('resize', this.#onResize);
    signals.off('SIGTSTP', this.#onStop);
    signals.off('SIGCONT', this.#onContinue);
    signals.off('exit', this.#onExit);
    this.#leave();
    input.pause();
    input.unref();
  }

  #continue(): void {
    this.#leave();
    this.#enter();
    this.#parts.onStopped(false);
    this.redraw();
  }

  #enter(): void {
    const { input, output } = this.#parts;
    this.#there = true;
    this.#drawn = [];
    input.setRawMode(true);
    input.resume();
    output.write(ENTER);
  }

  #leave(): void {
    if (!this.#there) return;
    this.#there = false;
    this.#parts.output.write(LEAVE);
    this.#parts.input.setRawMode(false);
  }

  #data(bytes: Buffer): void {
    for (const key of this.#keys.read(this.#decoder.write(bytes))) this.#parts.onKey(key);
    if (this.#keys.waits)
      this.#parts.clock.after(ESCAPE_MS, () => {
        for (const key of this.#keys.settle()) this.#parts.onKey(key);
      });
  }
}
