/**
 * A terminal of a session as it is seen in this one: kept in a model of its own and drawn row by row, cut where this one is smaller.
 *
 * Invariants: nothing that the other terminal prints reaches this one but letters and looks (it cannot be asked anything, nor told to do anything); what changed is
 * drawn, at most 60 times a second; this terminal is left as it was found.
 */
import type { Clock } from '../../platform/clock.ts';
import { drawRow } from '../../daemon/terminal/draw.ts';
import { Screen } from '../../daemon/terminal/screen.ts';
import type { TerminalFrame } from '../../protocol/terminal-stream.ts';

const FRAME_MS = 16;
/** How long a notice stands in the last row. */
const NOTICE_MS = 4_000;

export interface ViewerOptions {
  readonly out: (text: string) => void;
  readonly size: () => { readonly cols: number; readonly rows: number };
  readonly clock: Clock;
}

export class Viewer {
  readonly #options: ViewerOptions;
  #screen: Screen | undefined;
  #drawn: string[] = [];
  #keys = { on: '', off: '' };
  #typing = false;
  #notice = '';
  #cancelNotice: () => void = () => undefined;
  #pending = false;
  #closed = false;

  constructor(options: ViewerOptions) {
    this.#options = options;
    options.out('\x1b[?1049h\x1b[2J\x1b[H');
  }

  /** The other terminal's size, once it is known. */
  get size(): { readonly cols: number; readonly rows: number } | undefined {
    return this.#screen === undefined ? undefined : { cols: this.#screen.cols, rows: this.#screen.rows };
  }

  /** This terminal is smaller than the other: only a part is seen. */
  get isCut(): boolean {
    const here = this.#options.size();
    return this.#screen !== undefined && (this.#screen.cols > here.cols || this.#screen.rows > here.rows);
  }

  snapshot(frame: Extract<TerminalFrame, { readonly frame: 'snapshot' }>): void {
    this.#screen?.dispose();
    this.#screen = new Screen({ cols: frame.cols, rows: frame.rows, scrollback: 0 });
    this.#screen.onParsed(() => this.#soon());
    this.#screen.write(Buffer.from(frame.screen, 'utf8'));
    this.redraw();
  }

  output(bytes: Uint8Array): void {
    this.#screen?.write(bytes);
  }

  resized(cols: number, rows: number): void {
    this.#screen?.resize(cols, rows);
    this.redraw();
  }

  /** Everything that came is in the picture; it is drawn with the next frame. */
  async flushed(): Promise<void> {
    await this.#screen?.flushed();
  }

  /** Whether keys go to the other terminal: this one then sends them as the program there wants them. */
  typing(on: boolean): void {
    this.#typing = on;
    this.#soon();
  }

  /** Words in the last row, for a while. */
  notice(text: string): void {
    this.#notice = text;
    this.#cancelNotice();
    this.#cancelNotice = this.#options.clock.after(NOTICE_MS, () => {
      this.#notice = '';
      this.#soon();
    });
    this.#soon();
  }

  /** Draws everything anew: this terminal's size changed. */
  redraw(): void {
    this.#drawn = [];
    this.#soon();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelNotice();
    this.#options.out(`${this.#keys.off}\x1b[0m\x1b[?25h\x1b[?1049l`);
    this.#screen?.dispose();
  }

  #soon(): void {
    if (this.#pending || this.#closed) return;
    this.#pending = true;
    this.#options.clock.after(FRAME_MS, () => {
      this.#pending = false;
      if (!this.#closed) this.#draw();
    });
  }

  #draw(): void {
    const screen = this.#screen;
    if (screen === undefined) return;
    const { cols, rows } = this.#options.size();
    const view = screen.view(cols);
    // Where it is too small the part with the cursor is shown.
    const first = Math.max(0, Math.min(view.cursor.y, screen.rows - 1) - rows + 1);
    const wanted = Array.from({ length: rows }, (_, y) => {
      const row = view.rows[first + y];
      return row === undefined ? '' : drawRow(row);
    });
    if (this.#notice !== '') wanted[rows - 1] = `\x1b[0;7m${this.#notice.slice(0, cols)}\x1b[0m`;
    const changed = wanted.flatMap((row, y) =>
      row === this.#drawn[y] ? [] : [`\x1b[${y + 1};1H\x1b[0m\x1b[2K${row}`],
    );
    this.#drawn = wanted;
    const at = `\x1b[${view.cursor.y - first + 1};${Math.min(view.cursor.x, cols - 1) + 1}H`;
    const cursor = view.cursor.visible && this.#notice === '' ? `${at}\x1b[?25h` : '';
    // No wrapping: a row that is full must not scroll the last one away.
    this.#options.out(
      `\x1b[?2026h\x1b[?25l\x1b[?7l${changed.join('')}\x1b[?7h${this.#keyModes(screen)}${cursor}\x1b[?2026l`,
    );
  }

  #keyModes(screen: Screen): string {
    const wanted = this.#typing ? screen.modes.forKeys : { on: '', off: '' };
    if (wanted.on === this.#keys.on) return '';
    const text = `${this.#keys.off}${wanted.on}`;
    this.#keys = wanted;
    return text;
  }
}
