/** What follows from each recorded screen alone, and beside an agent that says that it works: one table for all agents and versions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { look, observe, unseen } from '../../../../src/daemon/sessions/activity/activity.ts';
import type { Activity } from '../../../../src/daemon/sessions/activity/known.ts';
import { screenSeen } from '../../../../src/daemon/sessions/activity/screen-word.ts';
import { recogniserFor } from '../../../../src/daemon/terminal/recognisers/all.ts';
import { toState } from '../../../../src/daemon/terminal/recognisers/recogniser.ts';
import { ScreenView } from '../../../../src/daemon/terminal/view.ts';

const NOON = Date.UTC(2026, 10, 21, 4);

/** The state and, where it waits, for what kind of thing. */
const STATES: Readonly<Record<string, string>> = {
  trust: 'waiting trust',
  'first-start': 'idle',
  'prompt-placeholder': 'idle',
  'prompt-erased': 'idle',
  'prompt-empty': 'idle',
  'prompt-after-turn': 'idle',
  'prompt-narrow': 'idle',
  'prompt-plan-mode': 'idle',
  'prompt-bypass': 'idle',
  'permission-refused': 'idle',
  'half-typed': 'idle',
  'half-typed-long': 'idle',
  'half-typed-narrow': 'idle',
  'half-typed-two-lines': 'idle',
  interrupted: 'idle',
  'menu-slash': 'idle',
  'menu-file': 'idle',
  // Not understood: nothing follows.
  'mode-shell': 'starting',
  transcript: 'starting',
  working: 'working',
  'working-half-typed': 'working',
  'working-queued': 'working',
  'permission-bash': 'waiting permission',
  'permission-bash-second': 'waiting permission',
  'permission-narrow': 'waiting permission',
  'permission-write': 'waiting permission',
  'permission-command': 'waiting permission',
  'permission-command-second': 'waiting permission',
  'permission-edit': 'waiting permission',
  question: 'waiting question',
  plan: 'waiting plan',
  'menu-model': 'waiting dialog',
  'rate-limited': 'waiting rate_limit',
};
const DIFFERENT: Readonly<Record<string, string>> = { 'codex menu-model': 'starting' };

const corpus = join(import.meta.dirname, '..', '..', '..', 'screens');
const screens = ['claude', 'codex', 'gemini'].flatMap((agent) =>
  readdirSync(join(corpus, agent)).flatMap((version) =>
    readdirSync(join(corpus, agent, version)).map((file) => ({ agent, version, state: file.replace('.json', '') })),
  ),
);

function load(agent: string, version: string, state: string): ScreenView {
  return ScreenView.parse(JSON.parse(readFileSync(join(corpus, agent, version, `${state}.json`), 'utf8')));
}

function seen(agent: string, view: ScreenView, at: number) {
  const reading = recogniserFor(agent)?.read(view);
  if (reading === undefined) throw new Error(`no recogniser for ${agent}`);
  return screenSeen(toState(reading, view.title, new Date(at).toISOString()), at);
}

function words({ now }: Activity): string {
  return [now.state, ...(now.waiting === undefined ? [] : [now.waiting.kind])].join(' ');
}

describe('a screen alone', () => {
  it.each(screens)('$agent $version: $state', ({ agent, version, state }) => {
    const expected = DIFFERENT[`${agent} ${state}`] ?? STATES[state];
    if (expected === undefined) throw new Error(`The table does not know the state ${state}.`);
    const activity = observe(unseen(NOON), seen(agent, load(agent, version, state), NOON + 1), NOON + 1);
    expect(words(activity)).toBe(expected);
    if (activity.now.waiting !== undefined) expect(activity.now.waiting.what).not.toBe('');
  });
});

describe('a screen beside an agent that says that it works', () => {
  it.each(screens)('$agent $version: $state, for ten seconds', ({ agent, version, state }) => {
    const busy = observe(
      unseen(NOON),
      { kind: 'event', source: 'hook', at: NOON, deed: { does: 'takes_prompt' } },
      NOON,
    );
    const shown = observe(busy, seen(agent, load(agent, version, state), NOON + 1), NOON + 1);
    const alone = DIFFERENT[`${agent} ${state}`] ?? STATES[state];
    // A limit is told at once; everything else has to stay.
    if (alone !== 'waiting rate_limit') expect(words(shown)).toBe('working');
    expect(words(look(shown, NOON + 10_000))).toBe(alone === 'starting' ? 'working' : alone);
  });
});

describe('the faults of the seed’s prompt parser', () => {
  const claude = screens.filter(({ agent }) => agent === 'claude');

  it.each(claude.filter(({ state }) => state.startsWith('working')))(
    'seed: a screen showing a spinner parsed as text_input ($version $state)',
    ({ agent, version, state }) => {
      const view = load(agent, version, state);
      const waits = observe(unseen(NOON), { kind: 'record', source: 'registry', at: NOON, says: 'waiting' }, NOON);
      for (const before of [unseen(NOON), waits])
        expect(observe(before, seen(agent, view, NOON + 2000), NOON + 2000).now.state).toBe('working');
    },
  );

  it.each(claude.filter(({ state }) => state === 'prompt-after-turn' || state === 'prompt-empty'))(
    'seed: a quoted markdown list parsed as a question ($version $state)',
    ({ agent, version, state }) => {
      const view = load(agent, version, state);
      const quoted = ['● Which of these?', '> 1. the first', '  2. the second', '❯ 1. one', '  2. two'];
      const rows = view.rows.map((row, index) => {
        const text = quoted[index - 8];
        return text === undefined ? row : { ...row, runs: [{ text }] };
      });
      expect(observe(unseen(NOON), seen(agent, { ...view, rows }, NOON + 1), NOON + 1).now.state).toBe('idle');
    },
  );

  it.each(claude.filter(({ state }) => state === 'permission-bash' || state === 'permission-write'))(
    'seed: permission dialogs were typed as questions ($version $state)',
    ({ agent, version, state }) => {
      expect(seen(agent, load(agent, version, state), NOON).wait?.kind).toBe('permission');
    },
  );
});
