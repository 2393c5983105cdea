/**
 * What the screen shows, as far as it can be told, and the two ways to act on it: typing through the gate, and answering a dialog.
 */
import type { Clock } from '../../platform/clock.ts';
import type { ScreenState, TypingOutcome } from '../../protocol/runner-api.ts';
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

export class Witness {
  readonly #options: WitnessOptions;
  #listener: ((state: ScreenState) => void) | undefined;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  get state(): ScreenState | undefined {
    return undefined;
  }

  onChange(listener: (state: ScreenState) => void): void {
    this.#listener = listener;
  }

  async look(lines: number): Promise<{ readonly lines: string[]; readonly state?: ScreenState }> {
    await this.#options.terminal.screen.flushed();
    return { lines: this.#options.terminal.screen.lastLines(lines) };
  }

  type(text: string): Promise<TypingOutcome> {
    if (text === '') return Promise.resolve('unfit_text');
    return Promise.resolve('unknown_screen');
  }

  answer(answer: DialogAnswer): Promise<TypingOutcome> {
    if (answer.fingerprint === '') return Promise.resolve('screen_changed');
    return Promise.resolve('unknown_screen');
  }
}
