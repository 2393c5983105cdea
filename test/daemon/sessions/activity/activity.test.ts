/** The fold of a session's activity: one table of what is seen and what follows, and what holds for every order of observations. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHook } from '../../../../src/daemon/agents/claude/hook-dialect.ts';
import { hookSeen } from '../../../../src/daemon/agents/hook-deeds.ts';
import { look, notAfter, observe, unseen } from '../../../../src/daemon/sessions/activity/activity.ts';
import type { Activity } from '../../../../src/daemon/sessions/activity/known.ts';
import type {
  Deed,
  Observation,
  RecordWord,
  ScreenWord,
} from '../../../../src/daemon/sessions/activity/observations.ts';
import { nextLook, STALE_MS, STARTING_MS } from '../../../../src/daemon/sessions/activity/verdict.ts';
import type { SessionWait } from '../../../../src/protocol/attention.ts';

const NOON = Date.UTC(2026, 10, 21, 12);
const permission = (what: string): SessionWait => ({ kind: 'permission', what });
const bash = (command: string, id?: string) => ({ tool: 'Bash', input: { command }, id });

/** Seconds after noon. */
const at = (seconds: number): number => NOON + seconds * 1000;
const hook = (seconds: number, deed: Deed, agentId?: string): Observation => ({
  kind: 'event',
  source: 'hook',
  at: at(seconds),
  deed,
  agentId,
});
const prompt = (seconds: number) => hook(seconds, { does: 'takes_prompt' });
const stop = (seconds: number, background = false) => hook(seconds, { does: 'ends_turn', background });
const begins = (seconds: number, command: string, id?: string, agentId?: string) =>
  hook(seconds, { does: 'begins_tool', call: bash(command, id) }, agentId);
const over = (seconds: number, command: string, id?: string, agentId?: string) =>
  hook(seconds, { does: 'ends_tool', call: bash(command, id) }, agentId);
const asks = (seconds: number, command: string, agentId?: string) =>
  hook(seconds, { does: 'asks', wait: permission(`Bash: ${command}`), call: bash(command) }, agentId);
const record = (seconds: number, says: RecordWord, wait?: SessionWait): Observation => ({
  kind: 'record',
  source: 'registry',
  at: at(seconds),
  says,
  wait: says === 'waiting' ? (wait ?? permission('permission prompt')) : undefined,
});
const screen = (seconds: number, shows: ScreenWord, wait?: SessionWait, menu = false): Observation => ({
  kind: 'screen',
  at: at(seconds),
  shows,
  wait,
  menu,
});
const trust: SessionWait = { kind: 'trust', what: 'Do you trust the files in this folder?' };
const limited: SessionWait = { kind: 'rate_limit', what: 'limit', resetAt: new Date(at(60)).toISOString() };

/** Folds them in the order in which they are given; `seconds`: when it is looked at. */
function fold(seen: readonly Observation[], seconds: number): Activity {
  let activity = unseen(NOON);
  for (const one of seen) activity = observe(activity, one, Math.max(one.at, NOON));
  return look(activity, at(seconds));
}

function words(activity: Activity): string {
  const { state, waiting, source, confidence } = activity.now;
  return [state, ...(waiting === undefined ? [] : [`${waiting.kind} “${waiting.what}”`]), source, confidence].join(' ');
}

interface Row {
  readonly what: string;
  readonly seen: readonly Observation[];
  /** Looked at so many seconds after noon. */
  readonly after: number;
  readonly is: string;
}

const TABLE: readonly Row[] = [
  // ── nothing, or little, is known
  { what: 'a process alone', seen: [], after: 1, is: 'starting process guess' },
  { what: 'a process alone, for long', seen: [], after: STARTING_MS / 1000, is: 'unknown process guess' },
  {
    what: 'a heartbeat file alone',
    seen: [{ kind: 'heartbeat', at: at(1), says: 'busy' }],
    after: 2,
    is: 'working heartbeat guess',
  },
  {
    what: 'a heartbeat file beside a record',
    seen: [record(1, 'idle'), { kind: 'heartbeat', at: at(3), says: 'busy' }],
    after: 4,
    is: 'idle registry certain',
  },
  // ── hooks
  { what: 'its start', seen: [hook(1, { does: 'starts' })], after: 2, is: 'idle hook certain' },
  {
    what: 'a prompt, where it is not told when tools begin',
    seen: [prompt(1)],
    after: 2,
    is: 'working hook certain',
  },
  { what: 'a tool', seen: [prompt(1), begins(2, 'make', 't1')], after: 3, is: 'working hook certain' },
  {
    what: 'a tool’s result',
    seen: [prompt(1), begins(2, 'make', 't1'), over(3, 'make', 't1')],
    after: 4,
    is: 'thinking hook certain',
  },
  {
    what: 'two tools, one result',
    seen: [prompt(1), begins(2, 'make', 't1'), begins(2, 'ls', 't2'), over(3, 'ls', 't2')],
    after: 4,
    is: 'working hook certain',
  },
  { what: 'the end of its turn', seen: [prompt(1), stop(2)], after: 2, is: 'idle hook certain' },
  {
    what: 'the end of its turn, with something in the background',
    seen: [prompt(1), stop(2, true)],
    after: 100,
    is: 'working hook certain',
  },
  {
    what: 'the end of what went on in the background',
    seen: [prompt(1), record(1, 'busy'), stop(2, true), record(9, 'idle')],
    after: 100,
    is: 'idle registry certain',
  },
  { what: 'its end', seen: [prompt(1), hook(2, { does: 'ends' }), prompt(3)], after: 4, is: 'ended hook certain' },
  {
    what: 'a limit of its provider, that its record calls idle',
    seen: [prompt(1), hook(2, { does: 'meets_limit', notice: 'limit', resetAt: limited.resetAt }), record(2.1, 'idle')],
    after: 3,
    is: 'waiting rate_limit “limit” hook certain',
  },
  {
    what: 'a limit that is over',
    seen: [prompt(1), hook(2, { does: 'meets_limit', notice: 'limit', resetAt: limited.resetAt })],
    after: 61,
    is: 'idle hook certain',
  },
  // ── waiting
  {
    what: 'a permission request',
    seen: [prompt(1), asks(2, 'npm publish')],
    after: 2,
    is: 'waiting permission “Bash: npm publish” hook certain',
  },
  {
    what: 'a permission request that its record told first',
    seen: [prompt(1), record(2, 'waiting'), asks(2.1, 'npm publish')],
    after: 3,
    is: 'waiting permission “Bash: npm publish” hook certain',
  },
  {
    what: 'a permission request after which its record tells',
    seen: [prompt(1), asks(2, 'npm publish'), record(2.1, 'waiting')],
    after: 3,
    is: 'waiting permission “Bash: npm publish” hook certain',
  },
  {
    what: 'an answer at the terminal, by the record',
    seen: [prompt(1), asks(2, 'make'), record(2.1, 'waiting'), record(5, 'busy')],
    after: 6,
    is: 'working registry certain',
  },
  {
    what: 'a refusal (Esc)',
    seen: [prompt(1), asks(2, 'make'), record(5, 'idle')],
    after: 6,
    is: 'idle registry certain',
  },
  {
    what: 'the tool that was asked for ran',
    seen: [prompt(1), asks(2, 'make'), over(5, 'make', 't1')],
    after: 6,
    is: 'working hook certain',
  },
  {
    what: 'a tool ran, where it was not told for which one it asked',
    seen: [
      prompt(1),
      hook(2, { does: 'asks', wait: permission('Shell: make'), call: { tool: '', input: undefined, id: undefined } }),
      over(5, 'make'),
    ],
    after: 6,
    is: 'working hook certain',
  },
  {
    what: 'another tool ran',
    seen: [prompt(1), asks(2, 'make'), over(5, 'ls', 't2')],
    after: 6,
    is: 'waiting permission “Bash: make” hook certain',
  },
  { what: 'the next prompt', seen: [prompt(1), asks(2, 'make'), prompt(5)], after: 6, is: 'working hook certain' },
  {
    what: 'an answer from afar',
    seen: [prompt(1), asks(2, 'make'), hook(3, { does: 'is_answered', call: bash('make') })],
    after: 4,
    is: 'working hook certain',
  },
  ...[
    { after: 4, is: 'working hook likely' },
    { after: 6, is: 'waiting permission “permission prompt” registry certain' },
  ].map((row) => ({
    what: 'a dialog that is drawn although it was answered from afar',
    seen: [prompt(1), asks(2, 'make'), hook(3, { does: 'is_answered', call: bash('make') }), record(3.2, 'waiting')],
    ...row,
  })),
  {
    what: 'its dialog is gone, and the record knows why',
    seen: [prompt(1), asks(2, 'make'), record(5, 'idle'), hook(5.1, { does: 'closes_dialog', call: bash('make') })],
    after: 6,
    is: 'idle registry certain',
  },
  {
    what: 'two that ask: the oldest is told',
    seen: [prompt(1), asks(2, 'make', 'a1'), asks(3, 'ls', 'a2')],
    after: 4,
    is: 'waiting permission “Bash: make” hook certain',
  },
  {
    what: 'two that ask, one is answered',
    seen: [prompt(1), asks(2, 'make', 'a1'), asks(3, 'ls', 'a2'), over(4, 'make', 't', 'a1')],
    after: 5,
    is: 'waiting permission “Bash: ls” hook certain',
  },
  {
    what: 'a subagent asks, and its parent’s turn ends',
    seen: [prompt(1), asks(2, 'make', 'a1'), stop(3, true), record(3, 'busy')],
    after: 4,
    is: 'waiting permission “Bash: make” hook certain',
  },
  {
    what: 'the subagent that asked is over',
    seen: [prompt(1), stop(2, true), asks(3, 'make', 'a1'), hook(4, { does: 'ends_subagent' }, 'a1')],
    after: 5,
    is: 'working hook certain',
  },
  {
    what: 'two dialogs of one session, the first answered: the second comes at once',
    seen: [
      prompt(1),
      asks(2, 'make'),
      asks(2.01, 'ls'),
      record(2.1, 'waiting'),
      record(5, 'busy'),
      record(5.05, 'waiting'),
    ],
    after: 6,
    is: 'waiting permission “Bash: ls” hook certain',
  },
  {
    what: 'seed: wrong (older) command shown',
    seen: [prompt(1), asks(2, 'rm -rf build'), record(3, 'busy'), asks(60, 'npm publish'), record(60, 'waiting')],
    after: 61,
    is: 'waiting permission “Bash: npm publish” hook certain',
  },
  // ── without hooks
  { what: 'a record: busy', seen: [record(1, 'busy')], after: 2, is: 'working registry certain' },
  {
    what: 'a record: waiting',
    seen: [record(1, 'busy'), record(2, 'waiting')],
    after: 2,
    is: 'waiting permission “permission prompt” registry certain',
  },
  { what: 'a record: shell', seen: [record(1, 'background')], after: 2, is: 'working registry certain' },
  {
    what: 'a record that is older than the hook',
    seen: [prompt(1), record(1, 'busy'), stop(3)],
    after: 3,
    is: 'idle hook certain',
  },
  // ── the screen
  { what: 'a screen alone: prompt', seen: [screen(1, 'prompt')], after: 1, is: 'idle screen likely' },
  { what: 'a screen alone: spinner', seen: [screen(1, 'working')], after: 1, is: 'working screen likely' },
  {
    what: 'a screen alone: trust, at once',
    seen: [screen(1, 'dialog', trust)],
    after: 1,
    is: `waiting trust “${trust.what}” screen likely`,
  },
  {
    what: 'a screen: a limit of the plan, at once',
    seen: [record(1, 'idle'), screen(2, 'limit', limited)],
    after: 2,
    is: 'waiting rate_limit “limit” screen likely',
  },
  {
    what: 'a screen: that limit is over',
    seen: [record(1, 'idle'), screen(2, 'limit', limited)],
    after: 60,
    is: 'idle registry certain',
  },
  {
    what: 'trust, asked before its session is said to begin',
    seen: [screen(1, 'dialog', trust), hook(2, { does: 'starts' })],
    after: 4,
    is: `waiting trust “${trust.what}” screen likely`,
  },
  {
    what: 'a session that begins when that was answered',
    seen: [screen(1, 'dialog', trust), hook(2, { does: 'starts' }), screen(2.5, 'prompt')],
    after: 4,
    is: 'idle hook certain',
  },
  {
    what: 'a dialog that no event told',
    seen: [prompt(1), screen(3, 'dialog', { kind: 'question', what: 'Which?' })],
    after: 4,
    is: 'waiting question “Which?” screen likely',
  },
  {
    what: 'a list that its person opened at the prompt',
    seen: [prompt(1), stop(2), screen(5, 'dialog', { kind: 'dialog', what: 'Select model' }, true)],
    after: 9,
    is: 'idle hook certain',
  },
  {
    what: 'a prompt on the screen, just now',
    seen: [prompt(1), screen(2, 'prompt')],
    after: 3,
    is: 'working hook certain',
  },
  {
    what: 'a prompt on the screen for seconds takes back a stale working',
    seen: [prompt(1), screen(2, 'prompt')],
    after: 2 + STALE_MS / 1000,
    is: 'idle screen likely',
  },
  {
    what: 'not where it works behind its prompt',
    seen: [prompt(1), stop(2, true), screen(2.5, 'prompt')],
    after: 100,
    is: 'working hook certain',
  },
  {
    what: 'a dialog that was refused, where no event tells it',
    seen: [prompt(1), asks(2, 'make'), screen(5, 'prompt')],
    after: 5 + STALE_MS / 1000,
    is: 'idle screen likely',
  },
  {
    what: 'a spinner is no waiting, whatever the record says',
    seen: [record(1, 'waiting'), screen(3, 'working')],
    after: 3,
    is: 'working screen likely',
  },
  {
    what: 'a spinner is no waiting for what was asked before it',
    seen: [prompt(1), asks(2, 'make'), screen(4, 'working')],
    after: 4,
    is: 'working hook certain',
  },
  {
    what: 'a screen that was told late does not hide a dialog',
    seen: [prompt(1), asks(2, 'make'), screen(2.4, 'working')],
    after: 3,
    is: 'waiting permission “Bash: make” hook certain',
  },
];

describe('what follows from what is seen', () => {
  it.each(TABLE)('$what → $is', ({ seen, after, is }) => expect(words(fold(seen, after))).toBe(is));

  it('`since` stays while the state stays, and a new question begins anew', () => {
    const seen = [prompt(1), begins(2, 'make', 't1'), begins(9, 'ls', 't2')];
    expect(fold(seen, 10).now.since).toBe(at(1));
    expect(fold([...seen, asks(11, 'a')], 12).now.since).toBe(at(11));
    expect(fold([...seen, asks(11, 'a'), record(11.1, 'waiting')], 12).now.since).toBe(at(11));
    expect(fold([...seen, asks(11, 'a'), over(13, 'a'), asks(14, 'b')], 15).now.since).toBe(at(14));
  });

  it('a wall clock that was set back makes nothing that comes look old', () => {
    const before = fold([prompt(3600), record(3600, 'busy')], 3600);
    const after = observe(notAfter(before, at(5)), stop(5), at(5));
    expect(words(after)).toBe('idle hook certain');
  });
});

// ── any order ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const seconds = fc.integer({ min: 1, max: 500 });
const command = fc.constantFrom('make', 'ls', 'npm publish');
const observation: fc.Arbitrary<Observation> = fc.oneof(
  seconds.map(prompt),
  fc.tuple(seconds, fc.boolean()).map(([when, background]) => stop(when, background)),
  fc.tuple(seconds, command).map(([when, what]) => begins(when, what)),
  fc.tuple(seconds, command).map(([when, what]) => over(when, what)),
  fc.tuple(seconds, command).map(([when, what]) => asks(when, what)),
  fc
    .tuple(seconds, fc.constantFrom<RecordWord>('idle', 'busy', 'background', 'waiting'))
    .map(([when, says]) => record(when, says)),
  fc
    .tuple(seconds, fc.constantFrom<ScreenWord>('prompt', 'working', 'dialog', 'unclear'))
    .map(([when, shows]) => screen(when, shows, shows === 'dialog' ? permission('on the screen') : undefined)),
);

describe('whatever is seen, in whatever order', () => {
  it('never waits while the newest that is seen says that it works, took a prompt, or is idle', () => {
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 25 }), fc.integer({ min: 0, max: 4 }), (seen, which) => {
        const last = [prompt(501), stop(501), record(501, 'busy'), record(501, 'idle'), screen(505, 'working')][which];
        if (last === undefined) return;
        const activity = fold([...seen, last], 505.5);
        // A spinner says that nobody is waited for, but not who was waited for before a limit.
        expect(activity.now.state).not.toBe('waiting');
      }),
    );
  });

  it('is never since a time that is to come, and always says what it waits for', () => {
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 25 }), (seen) => {
        const { now } = fold(seen, 500);
        expect(now.since).toBeLessThanOrEqual(at(500));
        expect(now.waiting === undefined).toBe(now.state !== 'waiting');
      }),
    );
  });

  it('time alone changes nothing before it is looked at again', () => {
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 15 }), (seen) => {
        const activity = fold(seen, 500);
        const next = nextLook(activity, at(500)) ?? at(100_000);
        expect(look(activity, next - 1).now).toEqual(activity.now);
      }),
    );
  });

  it('the same record again is no news at all', () => {
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 15 }), seconds, (seen, when) => {
        const once = fold([...seen, record(when, 'busy')], 500);
        const again = once.record;
        if (again !== undefined) expect(observe(once, { ...again }, at(500))).toBe(once);
      }),
    );
  });
});

// ── the faults of the seed's monitor ─────────────────────────────────────────────────────────────────────────────────────

/** A whole turn as the installed hooks tell it, without any of them between prompt and end. */
function claude(event: string, more: object, seconds: number): Observation {
  const facts = readHook(event, { session_id: 'sess-one', cwd: '/shop', ...more });
  const seen = facts === undefined ? undefined : hookSeen(facts, at(seconds));
  if (seen === undefined) throw new Error(`${event} says nothing`);
  return seen;
}

describe('seed', () => {
  it('seed: every turn longer than 15 s became waiting', () => {
    for (const after of [5, 15, 60, 3600])
      expect(fold([claude('UserPromptSubmit', { prompt: 'go' }, 1)], after).now.state).toBe('working');
  });

  it('seed: a finished session looked working for 5 s', () => {
    const seen = [claude('UserPromptSubmit', { prompt: 'go' }, 1), record(1, 'busy'), claude('Stop', {}, 2)];
    expect(fold(seen, 2).now).toMatchObject({ state: 'idle', since: at(2) });
  });

  it('seed: a permission that followed a false “waiting” was never told', () => {
    const seen = [record(1, 'waiting'), asks(3, 'npm publish')];
    expect(fold(seen, 3).now).toMatchObject({ since: at(3), waiting: { what: 'Bash: npm publish' } });
  });
});
