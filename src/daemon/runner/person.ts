/**
 * The person's own terminal, joined to the agent's: keys in, output out, size and suspension followed, and left as it was found on every way out.
 *
 * Invariants: bytes are passed on as they are, in both directions, and neither side is buffered without bound (a slow terminal holds the agent, an agent that does not read
 * holds the keys); nothing of ours is ever drawn; raw mode and modes that the agent left on are undone exactly once.
 */
import { readFileSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Clock } from '../../platform/clock.ts';
import type { AgentTerminal } from '../terminal/terminal.ts';

const KEY_RETRY_MS = 20;
const CTRL_Z = 0x1a;
/** After Ctrl-Z the agent is looked at for this long: some suspend themselves. */
const SUSPEND_WATCH_MS = 1_500;
const SUSPEND_LOOK_MS = 50;

export interface PersonOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly clock: Clock;
}

export class Person {
  readonly #options: PersonOptions;
  #terminal: AgentTerminal | undefined;
  #restored = false;
  #watching = false;
  readonly #onKeys = (bytes: Buffer): void => this.#keys(bytes);
  readonly #onResize = (): void => this.#resize();
  readonly #onContinue = (): void => this.#backAgain();

  constructor(options: PersonOptions) {
    this.#options = options;
  }

  get size(): { readonly cols: number; readonly rows: number } {
    const { columns, rows } = this.#options.output;
    return { cols: clamp(columns, 20, 500), rows: clamp(rows, 5, 300) };
  }

  join(terminal: AgentTerminal): void {
    const { input, output } = this.#options;
    this.#terminal = terminal;
    input.setRawMode(true);
    input.on('data', this.#onKeys);
    input.resume();
    output.on('resize', this.#onResize);
    process.on('SIGCONT', this.#onContinue);
    terminal.onOutput((bytes) => {
      if (output.write(bytes)) return;
      terminal.hold('person');
      output.once('drain', () => terminal.release('person'));
    });
    // It may have changed between the spec and now.
    this.#resize();
  }

  /** Gives the terminal back as it was. */
  restore(): void {
    if (this.#restored) return;
    this.#restored = true;
    const { input, output } = this.#options;
    input.off('data', this.#onKeys);
    output.off('resize', this.#onResize);
    process.off('SIGCONT', this.#onContinue);
    const left = this.#terminal === undefined ? '' : leftOn(this.#terminal);
    if (left !== '') output.write(left);
    try {
      input.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
    input.pause();
    input.unref();
  }

  #keys(bytes: Buffer): void {
    const terminal = this.#terminal;
    if (terminal === undefined) return;
    if (bytes.includes(CTRL_Z)) this.#watchSuspension(terminal);
    if (terminal.person(bytes)) return;
    this.#options.input.pause();
    this.#options.clock.after(KEY_RETRY_MS, () => {
      if (this.#restored) return;
      this.#keys(bytes);
      this.#options.input.resume();
    });
  }

  #resize(): void {
    const { cols, rows } = this.size;
    this.#terminal?.resize(cols, rows);
  }

  /** An agent that suspends itself gives the terminal back to the shell: so do we, and wake it when we are woken. */
  #watchSuspension(terminal: AgentTerminal): void {
    if (this.#watching || process.platform !== 'linux') return;
    this.#watching = true;
    const until = this.#options.clock.monotonic() + SUSPEND_WATCH_MS;
    const look = (): void => {
      if (this.#restored || this.#options.clock.monotonic() > until) this.#watching = false;
      else if (isStopped(terminal.pid)) this.#suspend();
      else this.#options.clock.after(SUSPEND_LOOK_MS, look);
    };
    this.#options.clock.after(SUSPEND_LOOK_MS, look);
  }

  #suspend(): void {
    this.#watching = false;
    this.#options.input.setRawMode(false);
    // The whole job, as the shell started it.
    process.kill(0, 'SIGTSTP');
  }

  #backAgain(): void {
    const terminal = this.#terminal;
    if (terminal === undefined || this.#restored) return;
    this.#options.input.setRawMode(true);
    try {
      process.kill(-terminal.pid, 'SIGCONT');
    } catch {
      return;
    }
    this.#resize();
  }
}

/** What an agent that could not tidy up left on in the terminal; nothing where it did. */
function leftOn(terminal: AgentTerminal): string {
  const { screen } = terminal;
  const { modes } = screen;
  return [
    screen.isAlternate ? '\x1b[?1049l' : '',
    screen.mouse === 'none' ? '' : '\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l',
    screen.bracketedPaste ? '\x1b[?2004l' : '',
    screen.focusEvents ? '\x1b[?1004l' : '',
    screen.applicationCursor ? '\x1b[?1l' : '',
    modes.keyboardLevels === 0 ? '' : `\x1b[<${modes.keyboardLevels}u`,
    modes.hasRegion ? '\x1b[r' : '',
    modes.cursorVisible ? '' : '\x1b[?25h',
    modes.penText === '\x1b[0m' ? '' : '\x1b[0m',
  ].join('');
}

function isStopped(pid: number): boolean {
  try {
    return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
