/**
 * What a terminal has been told that its cells do not show and its serialiser leaves out: is the cursor shown and in which form, the scrolling
 * region, how mouse and keys are encoded, line drawing, the saved cursor.
 *
 * Invariant: only watches (every handler passes the sequence on), so the model itself is never changed.
 */
import type { Terminal } from '@xterm/headless';
import { lookOf } from './cells.ts';
import { lookCode } from './draw.ts';
import { Pen } from './pen.ts';

/** Modes whose last value is simply told again: mouse encodings. */
const PLAIN_MODES: readonly number[] = [1005, 1006, 1015, 1016];
/** Levels of keyboard protocols that a program may push. */
const KEYBOARD_LEVELS = 20;
const LEAVES_ALTERNATE: readonly number[] = [47, 1047, 1049];

interface Region {
  readonly top: number;
  readonly bottom: number;
}

export class ModeMemory {
  readonly #terminal: Terminal;
  readonly #plain = new Set<number>();
  readonly #pen = new Pen();
  #cursorVisible = true;
  #cursorStyle: number | undefined;
  /** Each of the two screens has its own. */
  readonly #regions: Record<'normal' | 'alternate', Region | undefined> = { normal: undefined, alternate: undefined };
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
      { final: 'm' },
      see((params) => this.#pen.apply(params)),
    );
    parser.registerCsiHandler(
      { final: 'u' },
      see(() => this.#pen.restore()),
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
    escape({ final: '8' }, () => this.#pen.restore());
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

  /** What a terminal that a person types into has to be told, so that its keys come as the program wants them; and how that is undone. */
  get forKeys(): { readonly on: string; readonly off: string } {
    const { modes } = this.#terminal;
    const wanted = [
      modes.bracketedPasteMode ? 2004 : undefined,
      modes.applicationCursorKeysMode ? 1 : undefined,
      modes.sendFocusMode ? 1004 : undefined,
      MOUSE_MODE[modes.mouseTrackingMode],
      ...this.#plain,
    ].filter((mode) => mode !== undefined);
    const levels = this.#keyboard.map((flags) => `\x1b[>${flags}u`).join('');
    return {
      on: wanted.map((mode) => `\x1b[?${mode}h`).join('') + levels,
      off: wanted.map((mode) => `\x1b[?${mode}l`).join('') + (levels === '' ? '' : `\x1b[<${this.#keyboard.length}u`),
    };
  }

  /** A part of the screen scrolls by itself. */
  get hasRegion(): boolean {
    return this.#region !== undefined;
  }

  get #region(): Region | undefined {
    return this.#regions[this.#terminal.buffer.active.type];
  }

  /** The sequence that sets the pen as it is. */
  get penText(): string {
    return this.#pen.text;
  }

  resized(): void {
    this.#forgetRegions();
  }

  /** Between the drawing of the first screen and that of the second: what the way back restores is put where it was. */
  enterAlternate(): string {
    const saved = this.#saved ?? { x: 0, y: 0 };
    const region = regionText(this.#regions.normal);
    return `${region}${place(saved.x, saved.y)}${this.#pen.savedText}\x1b[?1049h\x1b[0m\x1b[H`;
  }

  /** What a terminal has to be told after the drawing: modes, region, cursor, pen. */
  restore(): string {
    const { modes } = this.#terminal;
    const saved = this.#saved;
    const mouse = MOUSE_MODE[modes.mouseTrackingMode];
    return [
      regionText(this.#region),
      saved === undefined ? '' : `${place(saved.x, saved.y)}${this.#pen.savedText}\x1b7`,
      ...[...this.#plain].map((mode) => `\x1b[?${mode}h`),
      ...this.#keyboard.map((flags) => `\x1b[>${flags}u`),
      modes.applicationCursorKeysMode ? '\x1b[?1h' : '',
      modes.applicationKeypadMode ? '\x1b=' : '',
      modes.bracketedPasteMode ? '\x1b[?2004h' : '',
      modes.sendFocusMode ? '\x1b[?1004h' : '',
      modes.reverseWraparoundMode ? '\x1b[?45h' : '',
      mouse === undefined ? '' : `\x1b[?${mouse}h`,
      // Origin mode moves the cursor, so it comes before it.
      modes.originMode ? '\x1b[?6h' : '',
      this.#cursor(),
      modes.insertMode ? '\x1b[4h' : '',
      modes.wraparoundMode ? '' : '\x1b[?7l',
      this.#lineDrawing ? '\x1b(0' : '',
      this.#cursorStyle === undefined ? '' : `\x1b[${this.#cursorStyle} q`,
      this.#cursorVisible ? '' : '\x1b[?25l',
      this.#pen.text,
    ].join('');
  }

  /** To the cursor's place; behind the last column it gets by the letter that stands there. */
  #cursor(): string {
    const { buffer, cols, modes } = this.#terminal;
    const { cursorX, cursorY, baseY } = buffer.active;
    const top = modes.originMode ? (this.#region?.top ?? 1) - 1 : 0;
    if (cursorX < cols) return place(cursorX, cursorY - top);
    const line = buffer.active.getLine(baseY + cursorY);
    const spare = buffer.active.getNullCell();
    const last = line?.getCell(cols - 1, spare);
    const at = last?.getWidth() === 0 ? cols - 2 : cols - 1;
    const cell = line?.getCell(at, spare);
    if (cell === undefined) return place(cols - 1, cursorY - top);
    const chars = cell.getChars();
    return `${place(at, cursorY - top)}${lookCode(lookOf(cell))}${chars === '' ? ' ' : chars}`;
  }

  #modes(params: (number | number[])[], on: boolean): void {
    for (const param of params) {
      const mode = number(param, 0);
      if (mode === 25) this.#cursorVisible = on;
      // 1049 saves before it switches, and restores after it has switched back.
      if ((mode === 1048 || mode === 1049) && on) this.#save();
      if ((mode === 1048 || mode === 1049) && !on) this.#pen.restore();
      // The second screen is made anew each time.
      if (LEAVES_ALTERNATE.includes(mode) && !on) this.#regions.alternate = undefined;
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
    if (bottom <= top) return;
    const { type } = this.#terminal.buffer.active;
    this.#regions[type] = top === 1 && bottom === rows ? undefined : { top, bottom };
  }

  #forgetRegions(): void {
    this.#regions.normal = undefined;
    this.#regions.alternate = undefined;
  }

  #save(): void {
    const { cursorX, cursorY } = this.#terminal.buffer.active;
    this.#saved = { x: Math.min(cursorX, this.#terminal.cols - 1), y: cursorY };
    this.#pen.save();
  }

  #reset(): void {
    this.#plain.clear();
    this.#pen.reset();
    this.#cursorVisible = true;
    this.#cursorStyle = undefined;
    this.#forgetRegions();
    this.#lineDrawing = false;
    this.#keyboard = [];
    this.#saved = undefined;
  }
}

const MOUSE_MODE = { none: undefined, x10: 9, vt200: 1000, drag: 1002, any: 1003 } as const;

function regionText(region: Region | undefined): string {
  return region === undefined ? '' : `\x1b[${region.top};${region.bottom}r`;
}

function place(x: number, y: number): string {
  return `\x1b[${y + 1};${x + 1}H`;
}

function number(param: number | number[] | undefined, absent: number): number {
  return typeof param === 'number' ? param : absent;
}
