/**
 * What the screen shows, as far as it can be told, and the two ways to act on it: typing through the gate, and answering a dialog.
 *
 * Invariants: a change is told at most twice a second, and the last one always; the screen is a witness only, nothing here decides what an agent did.
 */
import type { Clock } from '../../platform/clock.ts';
import { isoTime } from '../../platform/clock.ts';
import type { ScreenState, TypingOutcome } from '../../protocol/runner-api.ts';
import { TypingGate } from './gate.ts';
import type { GateTerminal } from './gate.ts';
import { recogniserFor } from './recognisers/all.ts';
import { toState, UNKNOWN } from './recognisers/recogniser.ts';
import type { Recogniser } from './recognisers/recogniser.ts';
import type { AgentTerminal } from './terminal.ts';

export interface WitnessOptions {
  readonly terminal: AgentTerminal;
  /** The name of a recogniser set; undefined: the screen is not understood. */
  readonly screen: string | undefined;
  readonly clock: Clock;
}

export interface DialogAnswer {
  readonly fingerprint: string;
  readonly option?: number | undefined;
  readonly text?: string | undefined;
}

const TELL_MS = 500;
/** Between output and looking: a drawing comes in pieces. */
const LOOK_MS = 100;

export class Witness {
  readonly #terminal: AgentTerminal;
  readonly #recogniser: Recogniser | undefined;
  readonly #clock: Clock;
  readonly #gate: TypingGate;
  readonly #listeners = new Set<(state: ScreenState) => void>();
  #state: ScreenState | undefined;
  #told = '';
  #toldAt = -Infinity;
  #pending = false;

  constructor(options: WitnessOptions) {
    this.#terminal = options.terminal;
    this.#clock = options.clock;
    this.#recogniser = options.screen === undefined ? undefined : recogniserFor(options.screen);
    this.#gate = new TypingGate({
      terminal: gateTerminal(options.terminal, options.clock),
      recogniser: this.#recogniser,
      clock: options.clock,
    });
    options.terminal.screen.onParsed(() => this.#lookSoon());
  }

  /** The last that was seen; undefined: nothing was printed yet. */
  get state(): ScreenState | undefined {
    return this.#state;
  }

  onChange(listener: (state: ScreenState) => void): void {
    this.#listeners.add(listener);
  }

  async look(lines: number): Promise<{ readonly lines: string[]; readonly state: ScreenState }> {
    await this.#terminal.screen.flushed();
    return { lines: this.#terminal.screen.lastLines(lines), state: this.#see() };
  }

  type(text: string): Promise<TypingOutcome> {
    return this.#gate.type(text);
  }

  answer({ fingerprint, option, text }: DialogAnswer): Promise<TypingOutcome> {
    // One answer: a choice, or what is written into its line.
    if (option !== undefined && text === undefined) return this.#gate.choose(fingerprint, option);
    if (text !== undefined && option === undefined) return this.#gate.write(fingerprint, text);
    return Promise.resolve('unfit_text');
  }

  #lookSoon(): void {
    if (this.#pending) return;
    this.#pending = true;
    const wait = Math.max(LOOK_MS, TELL_MS - (this.#clock.monotonic() - this.#toldAt));
    this.#clock.after(wait, () => {
      this.#pending = false;
      const state = this.#see();
      const text = JSON.stringify(state);
      if (text === this.#told) return;
      this.#told = text;
      this.#toldAt = this.#clock.monotonic();
      for (const listener of this.#listeners) listener(state);
    });
  }

  #see(): ScreenState {
    const view = this.#terminal.screen.view();
    const reading = this.#recogniser?.read(view) ?? UNKNOWN;
    const at = isoTime(this.#clock.now());
    const state = toState(reading, view.title, at, this.#recogniser);
    const isAsBefore = state.fingerprint !== undefined && state.fingerprint === this.#state?.fingerprint;
    const since = isAsBefore ? this.#state?.since : at;
    this.#state = { ...state, ...(state.fingerprint === undefined || since === undefined ? {} : { since }) };
    return this.#state;
  }
}

function gateTerminal(terminal: AgentTerminal, clock: Clock): GateTerminal {
  return {
    get ended() {
      return terminal.exit !== undefined;
    },
    get keyboardHolder() {
      return terminal.keyboardHolder;
    },
    get sinceKey() {
      return terminal.sinceKey;
    },
    get keyCount() {
      return terminal.keyCount;
    },
    async view() {
      await terminal.screen.flushed();
      return terminal.screen.view();
    },
    changed: (ms) =>
      new Promise((resolve) => {
        const done = (): void => {
          stop();
          cancel();
          resolve();
        };
        const stop = terminal.screen.onParsed(done);
        const cancel = clock.after(ms, done);
      }),
    type: (text) => terminal.type(text),
  };
}
