/**
 * The typing gate at dialogs, over recorded screens: a program on paper that draws one of them, moves its focus, takes text in its line, and notes every key. Only what is
 * certain is pressed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { TypingGate } from '../../../src/daemon/terminal/gate.ts';
import type { GateTerminal } from '../../../src/daemon/terminal/gate.ts';
import { recogniserFor } from '../../../src/daemon/terminal/recognisers/all.ts';
import { toState } from '../../../src/daemon/terminal/recognisers/recogniser.ts';
import type { Recogniser } from '../../../src/daemon/terminal/recognisers/recogniser.ts';
import { rowText, ScreenView } from '../../../src/daemon/terminal/view.ts';
import type { ScreenState } from '../../../src/protocol/runner-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const UP = '\x1b[A';
const DOWN = '\x1b[B';
const ENTER = '\r';
const AT = '2026-01-02T03:04:05.000Z';

function screen(agent: string, version: string, name: string): ScreenView {
  const file = join(import.meta.dirname, '..', '..', 'screens', agent, version, `${name}.json`);
  return ScreenView.parse(JSON.parse(readFileSync(file, 'utf8')));
}

function recogniser(agent: string): Recogniser {
  const found = recogniserFor(agent);
  if (found === undefined) throw new Error(`no recogniser for ${agent}`);
  return found;
}

const MARKS: Readonly<Record<string, string>> = { claude: '❯', codex: '›', gemini: '●' };

/** A program whose dialog is one of the recorded ones. */
class PaperProgram implements GateTerminal {
  readonly #clock: ManualClock;
  readonly #recogniser: Recogniser;
  readonly #mark: string;
  #view: ScreenView;
  #line = '';
  readonly keys: string[] = [];
  /** What it does with a key, besides. */
  onKey: (key: string, program: PaperProgram) => void = () => undefined;
  takesKeys = true;
  /** Letters of a text that do not arrive. */
  loses = 0;
  ended = false;
  keyboardHolder: string | undefined;
  sinceKey = Infinity;
  keyCount = 0;

  constructor(clock: ManualClock, agent: string, view: ScreenView) {
    this.#clock = clock;
    this.#recogniser = recogniser(agent);
    this.#mark = MARKS[agent] ?? '';
    this.#view = view;
  }

  get state(): ScreenState {
    return toState(this.#recogniser.read(this.#view), '', AT, this.#recogniser);
  }

  get print(): string {
    return this.state.fingerprint ?? '';
  }

  get focused(): number {
    return this.#recogniser.read(this.#view).dialog?.focused ?? -1;
  }

  shows(view: ScreenView): void {
    this.#view = view;
  }

  async view(): Promise<ScreenView> {
    return this.#view;
  }

  async changed(ms: number): Promise<void> {
    this.#clock.advance(ms);
  }

  type(text: string): boolean {
    this.keys.push(text);
    if (this.takesKeys) this.#take(text);
    this.onKey(text, this);
    return true;
  }

  #take(text: string): void {
    const dialog = this.#recogniser.read(this.#view).dialog;
    if (dialog === undefined) return;
    if (text === DOWN || text === UP) this.#focus(dialog.focused + (text === DOWN ? 1 : -1));
    else if (text === ENTER || /^[1-9]$/.test(text)) this.#view = { ...this.#view, rows: [] };
    else if (dialog.focused === dialog.line?.option) this.#write(text);
  }

  /** Draws the mark before another option. */
  #focus(option: number): void {
    const labels = this.#recogniser.read(this.#view).dialog?.options ?? [];
    const label = labels[option];
    if (label === undefined) return;
    const rows = this.#view.rows.map((row) => rowText(row).replace(this.#mark, ' '));
    const at = rows.findLastIndex((row) => row.includes(label));
    const column = rows[at]?.search(/\S/) ?? 0;
    const marked = (row: string): string => `${row.slice(0, column - 2)}${this.#mark} ${row.slice(column)}`;
    this.#draw(rows.map((row, index) => (index === at ? marked(row) : row)));
  }

  /** Breaks the row as the real one does. */
  #write(text: string): void {
    const rows = this.#view.rows.map(rowText);
    const at = rows.findLastIndex((row) => /❯ 3\. /.test(row));
    const erased = text.startsWith('\x7f');
    this.#line = erased ? this.#line.slice(0, -text.length) : this.#line + text.slice(0, text.length - this.loses);
    const parts = this.#line.match(/.{1,60}/g) ?? ['Type something.'];
    const drawn = parts.map((part, index) => (index === 0 ? `❯ 3. ${part}` : `     ${part}`));
    const end = rows.findIndex((row, index) => index > at && row.startsWith('──'));
    this.#draw([...rows.slice(0, at), ...drawn, ...rows.slice(end)]);
  }

  #draw(rows: readonly string[]): void {
    this.#view = { ...this.#view, rows: rows.map((text) => ({ runs: text === '' ? [] : [{ text }] })) };
  }
}

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

function opened(agent: string, version: string, name: string): { program: PaperProgram; gate: TypingGate } {
  const program = new PaperProgram(clock, agent, screen(agent, version, name));
  return { program, gate: new TypingGate({ terminal: program, recogniser: recogniser(agent), clock }) };
}

describe('what an answer from afar can choose', () => {
  it.each<[agent: string, version: string, name: string, choosable: number[], line?: number]>([
    ['claude', '2.1.329', 'trust', [1, 2]],
    ['claude', '2.1.197', 'trust', [1, 2]],
    ['claude', '2.1.329', 'question', [1, 2], 3],
    ['claude', '2.1.329', 'plan', [1, 2]],
    ['claude', '2.1.329', 'menu-model', [1, 2, 3, 4, 5]],
    ['claude', '2.1.329', 'permission-bash', [1, 2, 3, 4]],
    ['codex', '0.169.0', 'permission-command', [1, 2, 3]],
    ['gemini', '0.61.0', 'trust', [1, 2, 3]],
    ['gemini', '0.61.0', 'question', [1, 2]],
  ])('%s %s: %s', (agent, version, name, choosable, line) => {
    const { program } = opened(agent, version, name);
    expect({ choosable: program.state.choosable, line: program.state.line }).toEqual({ choosable, line });
  });
});

describe('an option', () => {
  it.each(['2.1.197', '2.1.329'])(
    'of the trust dialog of Claude Code %s is confirmed only where its focus is seen',
    async (version) => {
      const { program, gate } = opened('claude', version, 'trust');
      const yes = program.state.options.findIndex((option) => /^Yes/.test(option));
      const steps = Math.abs(yes - program.focused);
      expect(await gate.choose(program.print, yes + 1)).toBe('typed');
      expect(program.keys).toHaveLength(steps + 1);
      expect(program.keys.at(-1)).toBe(ENTER);
    },
  );

  it('with a number is chosen by it', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'permission-bash');
    expect(await gate.choose(program.print, 2)).toBe('typed');
    expect(program.keys).toEqual(['2']);
  });

  it('seed: a late tap answers whatever prompt is on screen now; here it presses nothing', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'permission-bash');
    const shown = program.print;
    program.shows(screen('claude', '2.1.329', 'permission-write'));
    expect(await gate.choose(shown, 1)).toBe('screen_changed');
    program.shows(screen('claude', '2.1.329', 'prompt-empty'));
    expect(await gate.choose(shown, 1)).toBe('screen_changed');
    expect(await gate.write(shown, 'yes')).toBe('screen_changed');
    expect(program.keys).toEqual([]);
  });

  it('is not confirmed when the screen changes on the way to it', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'trust');
    program.onKey = () => program.shows(screen('claude', '2.1.329', 'permission-bash'));
    expect(await gate.choose(program.print, 2)).toBe('screen_changed');
    expect(program.keys).toEqual([DOWN]);
  });

  it('is not confirmed when a person presses a key on the way to it', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'trust');
    program.onKey = () => (program.keyCount += 1);
    expect(await gate.choose(program.print, 2)).toBe('person_typing');
    expect(program.keys).toEqual([DOWN]);
  });

  it('is not confirmed where the focus does not come to it', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'trust');
    program.takesKeys = false;
    expect(await gate.choose(program.print, 2)).toBe('not_confirmed');
    expect(program.keys).not.toContain(ENTER);
  });

  it('is left alone while somebody has the keyboard, and one that does not answer is not chosen', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'question');
    expect(await gate.choose(program.print, 3)).toBe('unfit_text');
    expect(await gate.choose(program.print, 4)).toBe('unfit_text');
    expect(await gate.choose(program.print, 9)).toBe('unfit_text');
    program.keyboardHolder = 'gilles';
    expect(await gate.choose(program.print, 1)).toBe('person_has_keyboard');
    expect(program.keys).toEqual([]);
  });
});

describe('text', () => {
  const LONG = 'my own words that are rather long so that they are wrapped by the program that draws them, indeed';

  it.each([
    ['short', 'green'],
    ['of several rows', LONG],
    // seed: tmux keys sent without -l turned words into keys.
    ['seed: that is the name of a key is only letters', 'Enter C-c Escape'],
  ])('%s goes into the line of a question, is seen there, then Enter', async (_what, text) => {
    const { program, gate } = opened('claude', '2.1.329', 'question');
    expect(await gate.write(program.print, text)).toBe('typed');
    expect(program.keys).toEqual([DOWN, DOWN, text, ENTER]);
  });

  it('that is not seen whole is not sent, and taken out again', async () => {
    const { program, gate } = opened('claude', '2.1.329', 'question');
    program.loses = 2;
    // The pauses between pieces pass.
    program.onKey = () => setImmediate(() => clock.advance(50));
    expect(await gate.write(program.print, 'green')).toBe('not_confirmed');
    expect(program.keys).toEqual([DOWN, DOWN, 'green', '\x7f'.repeat(5)]);
  });

  it('goes nowhere else: a dialog without a line, a line in which somebody writes, several lines', async () => {
    const trust = opened('claude', '2.1.329', 'trust');
    expect(await trust.gate.write(trust.program.print, 'yes')).toBe('unfit_text');
    const { program, gate } = opened('claude', '2.1.329', 'question');
    const { print } = program;
    expect(await gate.write(print, 'one\ntwo')).toBe('unfit_text');
    for (const key of [DOWN, DOWN, 'hal']) program.type(key);
    expect(program.print).toBe(print);
    expect(await gate.write(print, 'green')).toBe('box_not_empty');
    expect(program.keys).not.toContain(ENTER);
  });
});
