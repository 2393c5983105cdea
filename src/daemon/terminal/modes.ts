/**
 * What a terminal has been told that its cells do not show and its serialiser leaves out: is the cursor shown and in which form, the scrolling
 * region, how mouse and keys are encoded, line drawing, the saved cursor.
 *
 * Invariant: only watches (every handler passes the sequence on), so the model itself is never changed.
 */
import type { Terminal } from '@xterm/headless';

/** Modes whose last value is simply told again: mouse encodings. */
const PLAIN_MODES: readonly number[] = [1005, 1006, 1015, 1016];
/** Levels of keyboard protocols that a program may push. */
const KEYBOARD_LEVELS = 20;

export class ModeMemory {
  readonly #terminal: Terminal;
  readonly #plain = new Set<number>();
  #cursorVisible = true;
  #cursorStyle: number | undefined;
  #region: { readonly top: number; readonly bottom: number } | undefined;
  #lineDrawing = false;
  #keyboard: number[] = [];
  #saved: { readonly x: number; readonly y: number } | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { parser } = terminal;
    const see = (look: (params: (number | number[])[]) => void) => (params: (number | number[])[]) => {
      look(params);
      return false;
    };
    parser.registerCsiHandler(
      { prefix: '?', final: 'h' },
      see((params) => this.#modes(params, true)),
    );
    parser.registerCsiHandler(
      { prefix: '?', final: 'l' },
      see((params) => this.#modes(params, false)),
    );
    parser.registerCsiHandler(
      { final: 'r' },
      see((params) => this.#margins(params)),
    );
    parser.registerCsiHandler(
      { intermediates: ' ', final: 'q' },
      see((params) => (this.#cursorStyle = number(params[0], 0))),
    );
    parser.registerCsiHandler(
      { intermediates: '!', final: 'p' },
      see(() => this.#reset()),
    );
    parser.registerCsiHandler(
      { prefix: '>', final: 'u' },
      see((params) => {
        this.#keyboard = [...this.#keyboard, number(params[0], 0)].slice(-KEYBOARD_LEVELS);
      }),
    );
    parser.registerCsiHandler(
      { prefix: '<', final: 'u' },
      see((params) => {
        this.#keyboard = this.#keyboard.slice(0, -Math.max(1, number(params[0], 1)));
      }),
    );
    parser.registerCsiHandler(
      { final: 's' },
      see(() => this.#save()),
    );
    const escape = (id: { intermediates?: string; final: string }, look: () => void) =>
      parser.registerEscHandler(id, () => {
        look();
        return false;
      });
    escape({ final: '7' }, () => this.#save());
    escape({ final: 'c' }, () => this.#reset());
    escape({ intermediates: '(', final: '0' }, () => (this.#lineDrawing = true));
    escape({ intermediates: '(', final: 'B' }, () => (this.#lineDrawing = false));
  }

  get cursorVisible(): boolean {
    return this.#cursorVisible;
  }

  /** Keyboard protocols that a program pushed and did not take back. */
  get keyboardLevels(): number {
    return this.#keyboard.length;
  }

  get cursorStyle(): number | undefined {
    return this.#cursorStyle;
  }

  resized(): void {
    this.#region = undefined;
  }

  /** What a terminal has to be told after the serialised screen. */
  restore(): string {
    const { cursorX, cursorY } = this.#terminal.buffer.active;
    const at = (x: number, y: number): string => `\x1b[${y + 1};${x + 1}H`;
    const region = this.#region;
    const moved = region !== undefined || this.#saved !== undefined;
    const saved = this.#saved === undefined ? '' : `${at(this.#saved.x, this.#saved.y)}\x1b7`;
    const origin = this.#terminal.modes.originMode;
    return [
      // Under origin mode places count from the region's top: it is left while we move, and asked for again.
      moved && origin ? '\x1b[?6l' : '',
      region === undefined ? '' : `\x1b[${region.top};${region.bottom}r`,
      saved,
      moved && origin ? '\x1b[?6h' : '',
      moved ? at(cursorX, origin && region !== undefined ? cursorY - region.top + 1 : cursorY) : '',
      ...[...this.#plain].map((mode) => `\x1b[?${mode}h`),
      ...this.#keyboard.map((flags) => `\x1b[>${flags}u`),
      this.#lineDrawing ? '\x1b(0' : '',
      this.#cursorStyle === undefined ? '' : `\x1b[${this.#cursorStyle} q`,
      this.#cursorVisible ? '' : '\x1b[?25l',
    ].join('');
  }

  #modes(params: (number | number[])[], on: boolean): void {
    for (const param of params) {
      const mode = number(param, 0);
      if (mode === 25) this.#cursorVisible = on;
      if (mode === 1048 && on) this.#save();
      if (!PLAIN_MODES.includes(mode)) continue;
      // The encodings exclude each other: the last one holds.
      this.#plain.clear();
      if (on) this.#plain.add(mode);
    }
  }

  #margins(params: (number | number[])[]): void {
    const { rows } = this.#terminal;
    const top = Math.max(1, number(params[0], 1));
    const given = number(params[1], 0);
    const bottom = given === 0 || given > rows ? rows : given;
    if (bottom > top) this.#region = top === 1 && bottom === rows ? undefined : { top, bottom };
  }

  #save(): void {
    const { cursorX, cursorY } = this.#terminal.buffer.active;
    this.#saved = { x: Math.min(cursorX, this.#terminal.cols - 1), y: cursorY };
  }

  #reset(): void {
    this.#plain.clear();
    this.#cursorVisible = true;
    this.#cursorStyle = undefined;
    this.#region = undefined;
    this.#lineDrawing = false;
    this.#keyboard = [];
    this.#saved = undefined;
  }
}

function number(param: number | number[] | undefined, absent: number): number {
  return typeof param === 'number' ? param : absent;
}
