/**
 * The typing gate: the only way in which we press keys in an agent's terminal.
 *
 * Text goes in only when the program is at its prompt, its box is empty (what is dim is no text), no dialog and no list is open, nobody else has the keyboard and no person
 * pressed a key in the last 500 ms. Enter is pressed only when the whole text is seen in the box, and everything is looked at once more just before. One try
 * at a time; every refusal has its reason. What was typed and not confirmed is taken out again where the box shows nothing else.
 *
 * Invariant: pure but for the terminal and clock that it is handed.
 */
import type { Clock } from '../../platform/clock.ts';
import type { TypingOutcome } from '../../protocol/runner-api.ts';
import { textFault } from '../../protocol/text.ts';
import { fingerprint, squeezed } from './recognisers/recogniser.ts';
import type { Dialog, Reading, Recogniser } from './recognisers/recogniser.ts';
import type { ScreenView } from './view.ts';

/** The terminal as the gate needs it. */
export interface GateTerminal {
  readonly ended: boolean;
  /** A watcher who took the keyboard. */
  readonly keyboardHolder: string | undefined;
  /** Milliseconds since a person's last key. */
  readonly sinceKey: number;
  readonly keyCount: number;
  /** The screen with everything drawn that was printed. */
  view(): Promise<ScreenView>;
  /** The next change of the screen, or `ms` later. */
  changed(ms: number): Promise<void>;
  /** False: the program does not read its keys. */
  type(text: string): boolean;
}

export interface GateOptions {
  readonly terminal: GateTerminal;
  readonly recogniser: Recogniser | undefined;
  readonly clock: Clock;
}

const HANDS_OFF_MS = 500;
const CONFIRM_MS = 4_000;
const LOOK_MS = 100;
/** The screen must show the same for this long before Enter. */
const SETTLE_MS = 150;
/** A program takes what comes faster for a paste. */
const CHUNK = 100;
const CHUNK_PAUSE_MS = 20;
/** A dialog that has just opened takes no keys; it is tried again. */
const ANSWER_TRIES = 4;
const ANSWER_MS = 700;
const TEXT_MAX = 2_000;

export class TypingGate {
  readonly #terminal: GateTerminal;
  readonly #recogniser: Recogniser | undefined;
  readonly #clock: Clock;
  #busy = false;

  constructor(options: GateOptions) {
    this.#terminal = options.terminal;
    this.#recogniser = options.recogniser;
    this.#clock = options.clock;
  }

  type(text: string): Promise<TypingOutcome> {
    return this.#alone((recogniser) => this.#typeText(recogniser, text));
  }

  /** Chooses an option of the dialog that is open, if it is still the one that was shown. */
  answer(wanted: string, option: number): Promise<TypingOutcome> {
    return this.#alone((recogniser) => this.#choose(recogniser, wanted, option));
  }

  async #alone(work: (recogniser: Recogniser) => Promise<TypingOutcome>): Promise<TypingOutcome> {
    if (this.#busy) return 'already_typing';
    if (this.#terminal.ended) return 'ended';
    if (this.#recogniser === undefined) return 'unknown_screen';
    this.#busy = true;
    try {
      return await work(this.#recogniser);
    } finally {
      this.#busy = false;
    }
  }

  async #typeText(recogniser: Recogniser, text: string): Promise<TypingOutcome> {
    if (!fits(text)) return 'unfit_text';
    const refusal = await this.#refusal(recogniser);
    if (refusal !== undefined) return refusal;
    const keys = this.#terminal.keyCount;
    if (!(await this.#send(text, keys))) return this.#disturbed(keys) ?? 'not_confirmed';
    const confirmed = await this.#confirm(recogniser, text, keys);
    if (confirmed !== 'typed') {
      if (confirmed !== 'person_typing' && confirmed !== 'ended') await this.#takeBack(recogniser, text, keys);
      return confirmed;
    }
    this.#terminal.type('\r');
    return 'typed';
  }

  /** Why nothing may be typed now. */
  async #refusal(recogniser: Recogniser): Promise<TypingOutcome | undefined> {
    const hands = this.#hands();
    if (hands !== undefined) return hands;
    const reading = recogniser.read(await this.#terminal.view());
    if (this.#terminal.ended) return 'ended';
    return this.#hands() ?? refusalOf(reading);
  }

  #hands(): TypingOutcome | undefined {
    if (this.#terminal.keyboardHolder !== undefined) return 'person_has_keyboard';
    return this.#terminal.sinceKey < HANDS_OFF_MS ? 'person_typing' : undefined;
  }

  /** What came between since the keys were counted. */
  #disturbed(keys: number): TypingOutcome | undefined {
    if (this.#terminal.ended) return 'ended';
    if (this.#terminal.keyboardHolder !== undefined) return 'person_has_keyboard';
    return this.#terminal.keyCount === keys ? undefined : 'person_typing';
  }

  async #send(text: string, keys: number): Promise<boolean> {
    const letters = Array.from(text);
    for (let at = 0; at < letters.length; at += CHUNK) {
      if (this.#disturbed(keys) !== undefined || !this.#terminal.type(letters.slice(at, at + CHUNK).join('')))
        return false;
      if (at + CHUNK < letters.length) await this.#pause(CHUNK_PAUSE_MS);
    }
    return true;
  }

  /** `typed`: the text stands in the box, whole and alone, and has for a moment. */
  async #confirm(recogniser: Recogniser, text: string, keys: number): Promise<TypingOutcome> {
    const until = this.#clock.monotonic() + CONFIRM_MS;
    let seenAt: number | undefined;
    while (this.#clock.monotonic() < until) {
      const reading = recogniser.read(await this.#terminal.view());
      const disturbed = this.#disturbed(keys);
      if (disturbed !== undefined) return disturbed;
      if (reading.dialog !== undefined || reading.state === 'working') return 'screen_changed';
      const stands = reading.box !== undefined && squeezed(reading.box) === squeezed(text);
      const now = this.#clock.monotonic();
      if (stands && seenAt !== undefined && now - seenAt >= SETTLE_MS)
        return reading.menu === true ? 'screen_changed' : 'typed';
      seenAt = stands ? (seenAt ?? now) : undefined;
      await this.#terminal.changed(LOOK_MS);
    }
    return 'not_confirmed';
  }

  /** Takes out what we typed, if the box shows nothing but the beginning of it. */
  async #takeBack(recogniser: Recogniser, text: string, keys: number): Promise<void> {
    const reading = recogniser.read(await this.#terminal.view());
    if (this.#disturbed(keys) !== undefined || reading.dialog !== undefined || reading.box === undefined) return;
    const box = squeezed(reading.box);
    if (box === '' || !squeezed(text).startsWith(box)) return;
    for (let left = Array.from(text).length; left > 0; left -= CHUNK) {
      if (this.#disturbed(keys) !== undefined) return;
      this.#terminal.type('\x7f'.repeat(Math.min(left, CHUNK)));
      await this.#pause(CHUNK_PAUSE_MS);
    }
  }

  async #choose(recogniser: Recogniser, wanted: string, option: number): Promise<TypingOutcome> {
    const keys = this.#terminal.keyCount;
    for (let attempt = 0; attempt < ANSWER_TRIES; attempt += 1) {
      const hands = this.#hands();
      if (hands !== undefined) return hands;
      const dialog = recogniser.read(await this.#terminal.view()).dialog;
      if (!isSame(dialog, wanted)) return attempt === 0 ? 'screen_changed' : 'typed';
      const chosen = recogniser.keysFor(dialog, option);
      if (chosen === undefined) return 'unfit_text';
      const disturbed = this.#disturbed(keys);
      if (disturbed !== undefined) return disturbed;
      this.#terminal.type(chosen);
      if (await this.#goes(recogniser, wanted)) return 'typed';
    }
    return 'not_confirmed';
  }

  /** The dialog is no longer there. */
  async #goes(recogniser: Recogniser, wanted: string): Promise<boolean> {
    const until = this.#clock.monotonic() + ANSWER_MS;
    while (this.#clock.monotonic() < until) {
      await this.#terminal.changed(LOOK_MS);
      if (this.#terminal.ended || !isSame(recogniser.read(await this.#terminal.view()).dialog, wanted)) return true;
    }
    return false;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}

function isSame(dialog: Dialog | undefined, wanted: string): dialog is Dialog {
  return dialog !== undefined && fingerprint(dialog) === wanted;
}

/** What speaks against typing, by what the screen shows. */
export function refusalOf(reading: Reading): TypingOutcome | undefined {
  if (reading.dialog !== undefined) return 'dialog_open';
  switch (reading.state) {
    case 'dialog':
      return 'dialog_open';
    case 'starting':
      return 'not_at_prompt';
    case 'working':
      return 'busy';
    case 'unknown':
      return 'unknown_screen';
    case 'prompt':
    case 'rate_limited':
      if (reading.box === undefined) return 'not_at_prompt';
      return reading.box === '' && reading.menu !== true ? undefined : 'box_not_empty';
  }
}

/** One line of plain text that no program takes for a command, a mode or an unfinished line. */
export function fits(text: string): boolean {
  if (text.trim() === '' || text.length > TEXT_MAX || /[\n\t]/.test(text) || textFault(text) !== undefined)
    return false;
  if (/^\s*[/!#@?$&]/.test(text) || /\\\s*$/.test(text)) return false;
  // A list of files or skills would be open at its end, and Enter would choose from it.
  return !/(?:^|\s)[@$]\S*$/.test(text);
}
