/**
 * The model of one terminal's screen: every cell with its look, the cursor, the alternate screen, title and modes, and some scrollback.
 *
 * Invariants: the model is fed only whole characters and sequences (boundary.ts), so that `parsed` is always a number at which a snapshot may
 * be taken; its scrollback and what it holds back are bounded. It answers a program's questions (where is the cursor?) only where it is
 * told to: at a person's terminal that terminal answers.
 */
import xterm from '@xterm/headless';
import type { IBuffer, Terminal } from '@xterm/headless';
import { BoundaryFinder } from './boundary.ts';
import { readRow } from './cells.ts';
import { drawRow } from './draw.ts';
import { ModeMemory } from './modes.ts';
import type { Row, ScreenView } from './view.ts';

/** A sequence longer than this is given to the model in parts. */
const HELD_BACK_MAX = 1024 * 1024;

export interface ScreenOptions {
  readonly cols: number;
  readonly rows: number;
  /** Rows above the screen that are kept. */
  readonly scrollback: number;
  /** Takes the answers to a program's questions; absent: somebody else answers. */
  readonly answer?: (text: string) => void;
}

export interface Snapshot {
  readonly cols: number;
  readonly rows: number;
  /** The number of the first byte that is not in it. */
  readonly seq: number;
  readonly screen: string;
  readonly title: string;
}

export class Screen {
  readonly #terminal: Terminal;
  readonly #modes: ModeMemory;
  readonly #boundary = new BoundaryFinder();
  #held: Buffer[] = [];
  #heldBytes = 0;
  #received = 0;
  #parsed = 0;
  #title = '';
  readonly #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  readonly #onParsed = new Set<() => void>();

  constructor(options: ScreenOptions) {
    this.#terminal = new xterm.Terminal({
      cols: options.cols,
      rows: options.rows,
      scrollback: options.scrollback,
      allowProposedApi: true,
      logLevel: 'off',
    });
    this.#modes = new ModeMemory(this.#terminal);
    this.#terminal.onTitleChange((title) => {
      this.#title = title.slice(0, 300);
    });
    const { answer } = options;
    if (answer !== undefined) this.#terminal.onData(answer);
  }

  get cols(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  get title(): string {
    return this.#title;
  }

  /** Bytes that were written but are not in the picture yet. */
  get backlog(): number {
    return this.#received - this.#parsed;
  }

  /** The number of the first byte that is not in the picture. */
  get parsed(): number {
    return this.#parsed;
  }

  get modes(): ModeMemory {
    return this.#modes;
  }

  /** The program asked for pastes in brackets. */
  get bracketedPaste(): boolean {
    return this.#terminal.modes.bracketedPasteMode;
  }

  get mouse(): 'none' | 'x10' | 'vt200' | 'drag' | 'any' {
    return this.#terminal.modes.mouseTrackingMode;
  }

  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  get applicationCursor(): boolean {
    return this.#terminal.modes.applicationCursorKeysMode;
  }

  get focusEvents(): boolean {
    return this.#terminal.modes.sendFocusMode;
  }

  write(bytes: Uint8Array): void {
    this.#received += bytes.length;
    const cut = this.#boundary.feed(bytes);
    if (cut > 0) {
      this.#hold(bytes.subarray(0, cut));
      this.#release();
      if (cut < bytes.length) this.#hold(bytes.subarray(cut));
    } else {
      this.#hold(bytes);
      if (this.#heldBytes > HELD_BACK_MAX) this.#release();
    }
  }

  /** Called after more is in the picture. */
  onParsed(listener: () => void): () => void {
    this.#onParsed.add(listener);
    return () => this.#onParsed.delete(listener);
  }

  /** Everything that was written and can be drawn is in the picture. */
  flushed(): Promise<void> {
    const seq = this.#received - this.#heldBytes;
    if (seq <= this.#parsed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ seq, resolve }));
  }

  resize(cols: number, rows: number): void {
    this.#terminal.resize(cols, rows);
    this.#modes.resized();
  }

  /** The screen now, as a new terminal would have to be told it. */
  snapshot(): Snapshot {
    const { normal, active } = this.#terminal.buffer;
    const first = this.#lines(normal, 0, normal.baseY + this.rows);
    const screen =
      active.type === 'normal'
        ? `${first}${this.#modes.restore()}`
        : `${first}${this.#modes.enterAlternate()}${this.#lines(active, 0, this.rows)}${this.#modes.restore()}`;
    return { cols: this.cols, rows: this.rows, seq: this.#parsed, screen, title: this.#title };
  }

  /** What is visible now; with `cols`, cut to so many columns. */
  view(cols = this.cols): ScreenView {
    const buffer = this.#terminal.buffer.active;
    const spare = buffer.getNullCell();
    const rows: Row[] = [];
    for (let y = 0; y < this.rows; y += 1)
      rows.push(readRow(buffer.getLine(buffer.baseY + y), Math.min(cols, this.cols), spare));
    return {
      cols: Math.min(cols, this.cols),
      rows,
      cursor: { x: buffer.cursorX, y: buffer.cursorY, visible: this.#modes.cursorVisible },
      title: this.#title,
      alternate: buffer.type === 'alternate',
    };
  }

  /** The last rows that have something on them, scrollback included, oldest first. */
  lastLines(count: number): string[] {
    const buffer = this.#terminal.buffer.active;
    const lines: string[] = [];
    for (let y = buffer.baseY + this.rows - 1; y >= 0 && lines.length < count; y -= 1) {
      const text = buffer.getLine(y)?.translateToString(true) ?? '';
      if (lines.length > 0 || text.trim() !== '') lines.push(text.slice(0, 2000));
    }
    return lines.reverse();
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  #lines(buffer: IBuffer, from: number, to: number): string {
    const spare = buffer.getNullCell();
    const lines: string[] = [];
    for (let y = from; y < to; y += 1) lines.push(drawRow(readRow(buffer.getLine(y), this.cols, spare)));
    // Letters to the end of a row leave the cursor there: the line feed goes on from the row, not from the next.
    return lines.join('\r\n');
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(Buffer.from(bytes));
    this.#heldBytes += bytes.length;
  }

  #release(): void {
    const bytes = this.#held.length === 1 && this.#held[0] !== undefined ? this.#held[0] : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#terminal.write(bytes, () => this.#drawn(bytes.length));
  }

  #drawn(count: number): void {
    this.#parsed += count;
    while ((this.#waiting[0]?.seq ?? Infinity) <= this.#parsed) this.#waiting.shift()?.resolve();
    for (const listener of [...this.#onParsed]) listener();
  }
}
