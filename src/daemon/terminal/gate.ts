/**
 * The typing gate: the only way in which we press keys in an agent's terminal.
 *
 * Text goes in at the prompt only when the program is at its prompt, its box is empty (what is dim is no text), no dialog and no list is open, nobody else has the keyboard and no person
 * pressed a key in the last 500 ms. Enter is pressed only when the whole text is seen in the box, and everything is looked at once more just before. One try
 * at a time; every refusal has its reason. What was typed and not confirmed is taken out again where the box shows nothing else.
 *
 * A dialog is answered only as long as it is the one that was shown, which is looked at before each key: its options by their digit, or by moving the focus and seeing it
 * there before Enter; text in its line, seen whole before Enter.
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
/** More rows than any dialog has. */
const FOCUS_STEPS = 60;
const ENTER = '\r';
const UP = '\x1b[A';
const DOWN = '\x1b[B';

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

  /** Chooses an option (from 1) of the dialog that is open, if it is still the one that was shown. */
  choose(wanted: string, option: number): Promise<TypingOutcome> {
    return this.#alone((recogniser) => this.#choose(recogniser, wanted, option));
  }

  /** Writes into the line of the dialog that is open, if it is still the one that was shown. */
  write(wanted: string, text: string): Promise<TypingOutcome> {
    return this.#alone((recogniser) => this.#write(recogniser, wanted, text));
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
    this.#terminal.type(ENTER);
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
    await this.#erase(text, keys);
  }

  async #erase(text: string, keys: number): Promise<void> {
    for (let left = Array.from(text).length; left > 0; left -= CHUNK) {
      if (this.#disturbed(keys) !== undefined) return;
      this.#terminal.type('\x7f'.repeat(Math.min(left, CHUNK)));
      await this.#pause(CHUNK_PAUSE_MS);
    }
  }

  // ── dialogs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #choose(recogniser: Recogniser, wanted: string, option: number): Promise<TypingOutcome> {
    const keys = this.#terminal.keyCount;
    for (let attempt = 0; attempt < ANSWER_TRIES; attempt += 1) {
      const seen = await this.#dialog(recogniser, wanted, keys);
      if (typeof seen === 'string') return attempt > 0 && seen === 'screen_changed' ? 'typed' : seen;
      const way = recogniser.wayTo(seen, option);
      if (way === undefined) return 'unfit_text';
      const refusal = way === 'focus' ? await this.#focus(recogniser, wanted, option - 1, keys) : undefined;
      if (refusal !== undefined) return refusal;
      this.#terminal.type(way === 'focus' ? ENTER : String(option));
      if (await this.#goes(recogniser, wanted)) return 'typed';
    }
    return 'not_confirmed';
  }

  async #write(recogniser: Recogniser, wanted: string, text: string): Promise<TypingOutcome> {
    if (!isOneLine(text)) return 'unfit_text';
    const keys = this.#terminal.keyCount;
    const seen = await this.#dialog(recogniser, wanted, keys);
    if (typeof seen === 'string') return seen;
    if (seen.line === undefined) return 'unfit_text';
    if (seen.line.text !== '') return 'box_not_empty';
    const refusal = await this.#focus(recogniser, wanted, seen.line.option, keys);
    if (refusal !== undefined) return refusal;
    if (!(await this.#send(text, keys))) return this.#disturbed(keys) ?? 'not_confirmed';
    const outcome = await this.#stands(recogniser, wanted, keys, ({ focused, line }) => {
      return focused === line?.option && squeezed(line.text) === squeezed(text);
    });
    if (outcome !== undefined) {
      await this.#emptyLine(recogniser, wanted, text, keys);
      return outcome;
    }
    this.#terminal.type(ENTER);
    return (await this.#goes(recogniser, wanted)) ? 'typed' : 'not_confirmed';
  }

  /** The dialog that was shown, or why nothing may be pressed in it. */
  async #dialog(recogniser: Recogniser, wanted: string, keys: number): Promise<Dialog | TypingOutcome> {
    const hands = this.#hands();
    if (hands !== undefined) return hands;
    const { dialog } = recogniser.read(await this.#terminal.view());
    // Looked at after the screen was drawn: nothing comes between this and the next key.
    return this.#disturbed(keys) ?? (isSame(dialog, wanted) ? dialog : 'screen_changed');
  }

  /** Moves the focus to an option (from 0), one row at a time; undefined: it stands there. */
  async #focus(
    recogniser: Recogniser,
    wanted: string,
    option: number,
    keys: number,
  ): Promise<TypingOutcome | undefined> {
    let unmoved = 0;
    for (let step = 0; step < FOCUS_STEPS && unmoved < ANSWER_TRIES; step += 1) {
      const seen = await this.#dialog(recogniser, wanted, keys);
      if (typeof seen === 'string') return seen;
      if (seen.focused === option) {
        // A key that was taken late would still move it.
        const settle = unmoved === 0 ? SETTLE_MS : ANSWER_MS;
        const outcome = await this.#stands(recogniser, wanted, keys, ({ focused }) => focused === option, settle);
        if (outcome !== 'not_confirmed') return outcome;
        continue;
      }
      this.#terminal.type(seen.focused < option ? DOWN : UP);
      const moved = await this.#until(
        recogniser,
        (dialog) => !isSame(dialog, wanted) || dialog.focused !== seen.focused,
      );
      if (!moved) unmoved += 1;
    }
    return 'not_confirmed';
  }

  /** Undefined: what is looked for is seen, and has been for a moment. `not_confirmed`: it is not, or no longer. */
  async #stands(
    recogniser: Recogniser,
    wanted: string,
    keys: number,
    fits: (dialog: Dialog) => boolean,
    settleMs = SETTLE_MS,
  ): Promise<TypingOutcome | undefined> {
    const until = this.#clock.monotonic() + CONFIRM_MS;
    let seenAt: number | undefined;
    while (this.#clock.monotonic() < until) {
      const seen = await this.#dialog(recogniser, wanted, keys);
      if (typeof seen === 'string') return seen;
      const now = this.#clock.monotonic();
      const stands = fits(seen);
      if (stands && seenAt !== undefined && now - seenAt >= settleMs) return undefined;
      if (!stands && seenAt !== undefined) return 'not_confirmed';
      seenAt = stands ? (seenAt ?? now) : undefined;
      await this.#terminal.changed(LOOK_MS);
    }
    return 'not_confirmed';
  }

  /** Takes out what we wrote into the dialog's line, if nothing else stands there. */
  async #emptyLine(recogniser: Recogniser, wanted: string, text: string, keys: number): Promise<void> {
    const seen = await this.#dialog(recogniser, wanted, keys);
    if (typeof seen === 'string' || seen.focused !== seen.line?.option) return;
    if (seen.line.text !== '' && squeezed(text).startsWith(squeezed(seen.line.text))) await this.#erase(text, keys);
  }

  /** The dialog is no longer there. */
  #goes(recogniser: Recogniser, wanted: string): Promise<boolean> {
    return this.#until(recogniser, (dialog) => this.#terminal.ended || !isSame(dialog, wanted));
  }

  async #until(recogniser: Recogniser, holds: (dialog: Dialog | undefined) => boolean): Promise<boolean> {
    const until = this.#clock.monotonic() + ANSWER_MS;
    while (this.#clock.monotonic() < until) {
      await this.#terminal.changed(LOOK_MS);
      if (holds(recogniser.read(await this.#terminal.view()).dialog)) return true;
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

function isOneLine(text: string): boolean {
  return text.trim() !== '' && text.length <= TEXT_MAX && !/[\n\t]/.test(text) && textFault(text) === undefined;
}

/** One line of plain text that no program takes for a command, a mode or an unfinished line. */
export function fits(text: string): boolean {
  if (!isOneLine(text)) return false;
  if (/^\s*[/!#@?$&]/.test(text) || /\\\s*$/.test(text)) return false;
  // A list of files or skills would be open at its end, and Enter would choose from it.
  return !/(?:^|\s)[@$]\S*$/.test(text);
}
