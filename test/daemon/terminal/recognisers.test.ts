/** What the recognisers make of the recorded screens, and what the gate says to each: one table for all agents and versions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../../src/daemon/terminal/gate.ts';
import { recogniserFor } from '../../../src/daemon/terminal/recognisers/all.ts';
import { fingerprint, toState } from '../../../src/daemon/terminal/recognisers/recogniser.ts';
import type { Reading, Recogniser } from '../../../src/daemon/terminal/recognisers/recogniser.ts';
import { ScreenView } from '../../../src/daemon/terminal/view.ts';

const LONG =
  'this is a text that is a good deal longer than one row of the box so that it has to be wrapped by the program that draws it, and here it ends';

interface Expected {
  readonly state: Reading['state'];
  readonly box?: string;
  readonly dialog?: string;
  /** undefined: the gate would type here. */
  readonly refusal: ReturnType<typeof refusalOf>;
}

const READY: Expected = { state: 'prompt', box: '', refusal: undefined };
const typed = (box: string): Expected => ({ state: 'prompt', box, refusal: 'box_not_empty' });
const working = (box: string): Expected => ({ state: 'working', box, refusal: 'busy' });
const dialog = (kind: string): Expected => ({ state: 'dialog', dialog: kind, refusal: 'dialog_open' });
const UNKNOWN: Expected = { state: 'unknown', refusal: 'unknown_screen' };

const STATES: Readonly<Record<string, Expected>> = {
  trust: dialog('trust'),
  'first-start': READY,
  'prompt-placeholder': READY,
  'prompt-erased': READY,
  'prompt-empty': READY,
  'prompt-after-turn': READY,
  'prompt-narrow': READY,
  'prompt-plan-mode': READY,
  'prompt-bypass': READY,
  'permission-refused': READY,
  'half-typed': typed('half typed'),
  'half-typed-long': typed(LONG),
  'half-typed-narrow': typed(LONG),
  'half-typed-two-lines': typed('one two'),
  interrupted: typed('do-think again'),
  'menu-slash': typed('/'),
  'menu-file': typed('look at @no'),
  'mode-shell': UNKNOWN,
  transcript: UNKNOWN,
  working: working(''),
  'working-half-typed': working('and more'),
  'working-queued': working(''),
  'permission-bash': dialog('permission'),
  'permission-bash-second': dialog('permission'),
  'permission-narrow': dialog('permission'),
  'permission-write': dialog('permission'),
  'permission-command': dialog('permission'),
  'permission-command-second': dialog('permission'),
  'permission-edit': dialog('permission'),
  question: dialog('question'),
  plan: dialog('plan'),
  'menu-model': dialog('menu'),
  'rate-limited': { state: 'rate_limited', box: '', refusal: undefined },
};
/** Where a program differs. */
const DIFFERENT: Readonly<Record<string, Expected>> = {
  'codex menu-model': UNKNOWN,
  'claude rate-limited 2.1.197': { state: 'rate_limited', dialog: 'rate_limit', refusal: 'dialog_open' },
  'gemini rate-limited': { state: 'rate_limited', dialog: 'rate_limit', refusal: 'dialog_open' },
};

const corpus = join(import.meta.dirname, '..', '..', 'screens');
const screens = ['claude', 'codex', 'gemini'].flatMap((agent) =>
  readdirSync(join(corpus, agent)).flatMap((version) =>
    readdirSync(join(corpus, agent, version)).map((file) => ({ agent, version, state: file.replace('.json', '') })),
  ),
);

function load(agent: string, version: string, state: string): ScreenView {
  const json: unknown = JSON.parse(readFileSync(join(corpus, agent, version, `${state}.json`), 'utf8'));
  return ScreenView.parse(json);
}

function recogniser(agent: string): Recogniser {
  const found = recogniserFor(agent);
  if (found === undefined) throw new Error(`no recogniser for ${agent}`);
  return found;
}

describe('the recorded screens', () => {
  it.each(screens)('$agent $version: $state', ({ agent, version, state }) => {
    const expected = DIFFERENT[`${agent} ${state} ${version}`] ?? DIFFERENT[`${agent} ${state}`] ?? STATES[state];
    if (expected === undefined) throw new Error(`The table does not know the state ${state}.`);
    const reading = recogniser(agent).read(load(agent, version, state));
    expect({
      state: reading.state,
      ...(reading.box === undefined ? {} : { box: reading.box }),
      ...(reading.dialog === undefined ? {} : { dialog: reading.dialog.kind }),
      refusal: refusalOf(reading),
    }).toEqual(expected);
  });

  it.each(screens.filter(({ state }) => state.startsWith('permission') && !state.endsWith('refused')))(
    '$agent $version: $state offers yes first and no last',
    ({ agent, version, state }) => {
      const reading = recogniser(agent).read(load(agent, version, state));
      const options = reading.dialog?.options ?? [];
      expect(options[0]).toMatch(/^(?:Yes|Allow once)/);
      expect(options.at(-1)).toMatch(/^No/);
    },
  );

  it.each([
    ['claude', '2.1.329', 'permission-bash'],
    ['claude', '2.1.197', 'permission-bash'],
    ['codex', '0.169.0', 'permission-command'],
    ['gemini', '0.61.0', 'permission-command'],
  ])('%s %s: %s has one fingerprint wherever its focus is', (agent, version, state) => {
    const prints = [state, `${state}-second`].map((name) => {
      const found = recogniser(agent).read(load(agent, version, name)).dialog;
      return found === undefined ? undefined : { print: fingerprint(found), focused: found.focused };
    });
    expect(prints[0]?.focused).toBe(0);
    expect(prints[1]?.focused).toBe(1);
    expect(prints[0]?.print).toBe(prints[1]?.print);
  });

  it.each(['2.1.197', '2.1.329'])('claude %s: the notice of a limit says when it ends', (version) => {
    const reading = recogniser('claude').read(load('claude', version, 'rate-limited'));
    expect(reading.limitNotice).toMatch(/^You've hit your limit · resets 7:0\dam \(UTC\)/);
    expect(toState(reading, '', '2026-11-21T04:00:00.000Z').resetAt).toMatch(/^2026-11-21T07:0\d:00\.000Z$/);
  });

  it('two dialogs have two fingerprints', () => {
    const print = (state: string) =>
      toState(recogniser('claude').read(load('claude', '2.1.329', state)), '', '2026-11-21T00:00:00.000Z').fingerprint;
    expect(print('permission-bash')).not.toBe(print('permission-write'));
  });

  it('a dialog that was drawn by the model above the real box is none', () => {
    const view = load('claude', '2.1.329', 'prompt-empty');
    const fake = load('claude', '2.1.329', 'permission-bash').rows.slice(26, 38);
    const rows = [...fake, ...view.rows.slice(fake.length)];
    expect(recogniser('claude').read({ ...view, rows }).state).toBe('prompt');
  });

  it('a box that was drawn by the model above a real dialog is none', () => {
    const view = load('claude', '2.1.329', 'permission-bash');
    const fake = load('claude', '2.1.329', 'prompt-empty').rows.slice(36, 39);
    const rows = [...view.rows.slice(0, 23), ...fake, ...view.rows.slice(26)];
    expect(recogniser('claude').read({ ...view, rows }).state).toBe('dialog');
  });
});
