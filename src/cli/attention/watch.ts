/**
 * The live table: board, console and screen joined. Draws at most 20 times a second, and once a second for what only grows older.
 *
 * Invariants: a decision names the hash of the card that was shown; while one is on its way the same card is not decided again; what became of it is said.
 */
import type { Clock } from '../../platform/clock.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { HubEvent } from '../../protocol/events.ts';
import type { Approval } from '../../protocol/model.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Style } from '../print/style.ts';
import type { Board } from './board.ts';
import { consoleOf, press, settle, type Act, type Console, type Seen, type Wish } from './console.ts';
import { feed } from './feed.ts';
import { frameOf } from './frame.ts';
import type { Key } from './keys.ts';
import { LiveScreen, type ProcessSignals, type TerminalInput, type TerminalOutput } from './live-screen.ts';
import { Looking } from './looking.ts';
import type { Row } from './rows.ts';

const FRAME_MS = 50;
const TICK_MS = 1_000;

export interface WatchParts {
  readonly hub: OperatorClient;
  readonly clock: Clock;
  readonly style: Style;
  readonly all: boolean;
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly signals: ProcessSignals;
  /** Ends it from outside. */
  readonly signal: AbortSignal;
}

/** Resolves when the person leaves; throws when the hub refuses. The terminal is as before then. */
export async function watch(parts: WatchParts): Promise<void> {
  const table = new LiveTable(parts);
  try {
    await table.run();
  } finally {
    table.close();
  }
}

class LiveTable {
  readonly #parts: WatchParts;
  readonly #end = new AbortController();
  readonly #looking: Looking;
  readonly #screen: LiveScreen;
  readonly #stopTick: () => void;
  readonly #deciding = new Set<string>();
  #board: Board | undefined;
  #console: Console = consoleOf([], false);
  #seen: Seen = { rows: [], whole: false, scrollMax: 0, page: 1 };
  #problem: string | undefined;
  #pending = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    const { clock, input, output, signals } = parts;
    this.#looking = new Looking(clock);
    this.#screen = new LiveScreen({
      input,
      output,
      signals,
      clock,
      onKey: (key) => this.#key(key),
      onRedraw: () => this.#draw(),
      onStopped: (stopped) => (stopped ? this.#looking.away() : this.#looking.key()),
    });
    this.#stopTick = clock.every(TICK_MS, () => this.#draw());
  }

  run(): Promise<void> {
    const { hub, signal } = this.#parts;
    return feed(hub, AbortSignal.any([signal, this.#end.signal]), {
      onChange: (board) => this.#changed(board),
      onEvent: (event) => this.#noted(event),
      onLink: (problem) => {
        this.#problem = problem;
        this.#soon();
      },
      onConnected: (say) => this.#looking.connected(say),
    });
  }

  close(): void {
    this.#end.abort();
    this.#stopTick();
    this.#looking.away();
    this.#screen.close();
  }

  #changed(board: Board): void {
    const first = this.#board === undefined;
    this.#board = board;
    if (first) this.#console = consoleOf(this.#rows(), this.#parts.all);
    this.#console = settle(this.#console, this.#rows());
    this.#soon();
  }

  /** Somebody else was faster: the person who looks at that card is told. */
  #noted(event: HubEvent): void {
    if (event.type !== 'approval.changed') return;
    const { approval } = event;
    if (approval.state === 'pending' || approval.id !== this.#console.selected) return;
    if (this.#deciding.has(approval.id)) return;
    this.#console = { ...this.#console, note: endWords(approval) };
  }

  #key(key: Key): void {
    this.#looking.key();
    const { console, act } = press(this.#console, key, this.#seen);
    this.#console = settle(console, this.#rows());
    if (act !== undefined) this.#act(act);
    this.#draw();
  }

  #act(act: Act): void {
    if (act.do === 'decide') void this.#decide(act.approval, act.wish);
    else if (act.do === 'quit') this.#end.abort();
    else if (act.do === 'suspend') this.#screen.suspend();
    else this.#screen.redraw();
  }

  async #decide(approval: Approval, wish: Wish): Promise<void> {
    if (this.#deciding.has(approval.id)) return;
    this.#deciding.add(approval.id);
    let note: string;
    try {
      note = endWords(await this.#parts.hub.decide(approval.id, { ...wish, shownHash: approval.shownHash }));
    } catch (error) {
      const failed = toIntercomError(error);
      note = [failed.message, failed.next ?? ''].join(' ').trim();
    }
    this.#deciding.delete(approval.id);
    this.#console = { ...this.#console, note };
    this.#soon();
  }

  #rows(): readonly Row[] {
    const rows = this.#board?.rows() ?? [];
    return this.#console.all ? rows : rows.filter(({ group }) => group !== 'idle');
  }

  #soon(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#parts.clock.after(FRAME_MS, () => {
      this.#pending = false;
      this.#draw();
    });
  }

  #draw(): void {
    if (this.#end.signal.aborted) return;
    const { clock, style } = this.#parts;
    const { lines, seen } = frameOf({
      console: this.#console,
      rows: this.#rows(),
      everything: this.#board?.rows() ?? [],
      problem: this.#problem ?? (this.#board === undefined ? 'asking the hub …' : undefined),
      more: this.#board?.more ?? 0,
      ...this.#screen.size,
      now: clock.now(),
      style,
    });
    this.#seen = seen;
    this.#screen.draw(lines);
  }
}

/** What became of a card, in a line. */
export function endWords(approval: Approval): string {
  const { decision, state, kind, effect } = approval;
  const who = decision === undefined ? '' : ` by ${decision.by} via ${decision.via}`;
  if (effect?.state === 'failed') return `It did not reach the agent: ${effect.reason ?? 'no reason was told'}.`;
  if (state === 'answered_elsewhere') return 'Answered at its terminal.';
  if (state === 'expired') return 'Nobody decided in time: expired.';
  if (state === 'withdrawn') return 'Taken back: it is no longer asked.';
  const question = kind === 'question';
  return `${decision?.verdict === 'allow' ? (question ? 'Answered' : 'Allowed') : question ? 'Declined' : 'Denied'}${who}.`;
}
