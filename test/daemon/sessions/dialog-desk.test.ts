/** Dialogs at terminals of ours that no hook tells: asked of people, answered into the very dialog that was shown, and closed when they are gone. The hub is one on paper. */
import { beforeEach, describe, expect, it } from 'vitest';
import { genericProgram } from '../../../src/daemon/agents/generic/program.ts';
import { DialogDesk } from '../../../src/daemon/sessions/dialog-desk.ts';
import type { DialogTerminal } from '../../../src/daemon/sessions/dialog-desk.ts';
import type { DialogAnswer } from '../../../src/daemon/sessions/managed.ts';
import type { QuestionCalls } from '../../../src/daemon/sessions/question-desk.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { ApprovalEffect, CloseApproval, RaiseApproval } from '../../../src/protocol/machine-api.ts';
import type { ApprovalRaised } from '../../../src/protocol/machine-api.ts';
import type { Approval, Decision } from '../../../src/protocol/model.ts';
import { ScreenState } from '../../../src/protocol/runner-api.ts';
import type { TypingOutcome } from '../../../src/protocol/runner-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SESSION = '12c0f188-2aa3-4eab-b1c5-566e5a2759a7';
const AT = '2026-01-02T03:04:05.000Z';

class PaperHub implements QuestionCalls {
  away = false;
  readonly raised: RaiseApproval[] = [];
  readonly closed: CloseApproval[] = [];
  readonly effects: ApprovalEffect[] = [];
  readonly #known = new Map<string, Approval>();

  async raise(request: RaiseApproval): Promise<ApprovalRaised> {
    if (this.away) throw new IntercomError('unreachable', 'The hub cannot be reached.');
    const { ref, subject } = RaiseApproval.parse(request);
    const known = this.#known.get(ref) ?? {
      ...{ id: newId('approval'), kind: subject.kind, state: 'pending', subject, shownHash: '0'.repeat(64) },
      ...{ rule: 'built-in', scopes: ['once'], createdAt: AT, expiresAt: AT },
    };
    if (!this.#known.has(ref)) this.raised.push(request);
    this.#known.set(ref, known);
    const { id, state, decision } = known;
    return { id, state, ...(decision === undefined ? {} : { decision }) };
  }

  async close(request: CloseApproval): Promise<void> {
    this.closed.push(CloseApproval.parse(request));
  }

  async effect(effect: ApprovalEffect): Promise<void> {
    this.effects.push(ApprovalEffect.parse(effect));
    const { ref, ...rest } = effect;
    const known = this.#known.get(ref);
    if (known !== undefined) this.#known.set(ref, { ...known, effect: { ...rest, at: AT } });
  }

  async state(ref: string): Promise<Approval> {
    const known = this.#known.get(ref);
    if (known === undefined) throw new IntercomError('unknown_approval', 'Nothing was asked.', { next: 'Ask.' });
    return known;
  }

  /** Of the newest that was raised; the daemon is told. */
  decide(desk: DialogDesk, answer: Partial<Decision>): void {
    const ref = this.raised.at(-1)?.ref ?? '';
    const decision: Decision = { verdict: 'allow', scope: 'once', by: 'gilles', via: 'telegram', at: AT, ...answer };
    const state = decision.verdict === 'allow' ? 'allowed' : 'denied';
    const known = this.#known.get(ref);
    if (known !== undefined) this.#known.set(ref, { ...known, state, decision });
    desk.decided({ item: 'decision', ref, approvalId: known?.id ?? newId('approval'), state, decision });
  }
}

let clock: ManualClock;
let book: LiveSessions;
let hub: PaperHub;
let desk: DialogDesk;
let explained: boolean;
let outcome: TypingOutcome;
let typed: DialogAnswer[];

beforeEach(() => {
  clock = new ManualClock();
  book = new LiveSessions({ clock, log: silentLog() });
  hub = new PaperHub();
  [explained, outcome, typed] = [false, 'typed', []];
  desk = newDesk();
  begins();
});

function newDesk(): DialogDesk {
  return new DialogDesk({
    ...{ machineId: 'laptop', approvals: hub, book, clock, log: silentLog() },
    isExplained: () => explained,
  });
}

function begins(): void {
  book.put({
    ...{ id: SESSION, project: 'shop', agent: 'claude', cwd: '/home/x/shop', state: 'waiting', stateSince: AT },
    ...{ startedAt: AT, managed: true, rung: 'none' },
  });
}

function terminal(more: Partial<DialogTerminal['run']> = {}): DialogTerminal {
  const program = genericProgram('claude', {
    ...{ command: undefined, displayName: undefined, args: [], resumeArgs: undefined, forkArgs: undefined },
    ...{ versionArgs: undefined, prompt: 'argument', runtimes: undefined, flags: undefined, env: {}, passEnv: [] },
  });
  const channel = {
    write: async () => undefined,
    type: async (): Promise<TypingOutcome> => 'typed',
    answer: async (answer: DialogAnswer): Promise<TypingOutcome> => {
      typed.push(answer);
      return outcome;
    },
  };
  const run: DialogTerminal['run'] = {
    ...{ runner: 'run_1', program, runtime: 'terminal', cwd: '/home/x/shop', pid: 1, session: SESSION },
    ...{ mission: undefined, attended: false, startedAt: AT, agentVersion: '2.1.329', channel },
    ...more,
  };
  return { run, session: () => SESSION, answer: channel.answer };
}

function trust(more: Partial<ScreenState> = {}): ScreenState {
  return ScreenState.parse({
    ...{ state: 'dialog', dialog: 'trust', title: 'Accessing workspace:', fingerprint: 'a'.repeat(64), since: AT },
    ...{ options: ['No, exit', 'Yes, I trust this folder'], choosable: [1, 2] },
    text: 'Accessing workspace:\n/home/x/shop\nQuick safety check: …',
    ...more,
  });
}

const PROMPT = ScreenState.parse({ state: 'prompt', box: '' });
const YES = { answers: [{ id: 'dialog', options: ['Yes, I trust this folder'] }] };

/** What was promised has been done. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

async function asked(screen = trust(), where = terminal()): Promise<void> {
  desk.seen(where, screen);
  clock.advance(700);
  await settled();
}

describe('a dialog that no hook tells', () => {
  it('is asked about with all that the screen says, once it has stood for a moment', async () => {
    desk.seen(terminal(), trust());
    clock.advance(600);
    await settled();
    expect(hub.raised).toEqual([]);
    clock.advance(100);
    await settled();
    expect(hub.raised).toMatchObject([
      {
        session: SESSION,
        subject: {
          kind: 'question',
          source: 'dialog',
          from: `laptop/shop#${SESSION}`,
          summary: 'Accessing workspace:',
          context: 'Accessing workspace:\n/home/x/shop\nQuick safety check: …',
          questions: [{ options: [{ label: 'No, exit' }, { label: 'Yes, I trust this folder' }], freeText: false }],
        },
      },
    ]);
    expect(desk.dialogs()).toEqual([hub.raised[0]?.ref]);
    expect(desk.owns(hub.raised[0]?.ref ?? '')).toBe(true);
  });

  it('is answered in the dialog that was shown, and what came of it is told', async () => {
    await asked();
    hub.decide(desk, YES);
    await settled();
    expect(typed).toEqual([{ fingerprint: 'a'.repeat(64), option: 2 }]);
    expect(hub.effects).toMatchObject([{ ref: hub.raised[0]?.ref, state: 'done' }]);
    desk.seen(terminal(), PROMPT);
    await settled();
    expect(hub.closed).toEqual([]);
  });

  it('takes text where it has a line, and only there', async () => {
    await asked(trust({ dialog: 'question', options: ['Red', 'Type something.'], choosable: [1], line: 2 }));
    expect(hub.raised[0]?.subject).toMatchObject({ questions: [{ options: [{ label: 'Red' }], freeText: true }] });
    hub.decide(desk, { answers: [{ id: 'dialog', options: [], text: 'green' }] });
    await settled();
    expect(typed).toEqual([{ fingerprint: 'a'.repeat(64), text: 'green' }]);
  });

  it('is never answered by itself, nor when it is declined', async () => {
    await asked();
    clock.advance(3_600_000);
    hub.decide(desk, { verdict: 'deny' });
    await settled();
    expect(typed).toEqual([]);
    expect(hub.effects).toEqual([]);
  });

  it('that cannot be answered from afar is not asked about', async () => {
    await asked(trust({ choosable: [] }));
    expect(hub.raised).toEqual([]);
  });

  it('seed: a late tap answers whatever prompt is on screen now; here it says that the screen had changed', async () => {
    await asked();
    const late = hub.raised[0]?.ref;
    desk.seen(terminal(), trust({ fingerprint: 'b'.repeat(64), title: 'Another' }));
    hub.decide(desk, YES);
    await settled();
    expect(typed).toEqual([]);
    expect(hub.closed).toMatchObject([{ ref: late, outcome: 'withdrawn' }]);
    expect(hub.effects).toMatchObject([
      { ref: late, state: 'failed', reason: 'the screen had changed; nothing was sent' },
    ]);
    clock.advance(700);
    await settled();
    expect(hub.raised.map(({ subject }) => subject).at(-1)).toMatchObject({ summary: 'Another' });
    expect(hub.raised[1]?.ref).not.toBe(late);
  });

  it('that did not take its answer is asked about again', async () => {
    await asked();
    outcome = 'person_typing';
    hub.decide(desk, YES);
    await settled();
    expect(hub.effects).toMatchObject([{ state: 'failed', reason: 'someone was typing at its terminal' }]);
    expect(hub.raised).toHaveLength(2);
    outcome = 'typed';
    hub.decide(desk, YES);
    await settled();
    expect(hub.effects.at(-1)).toMatchObject({ ref: hub.raised[1]?.ref, state: 'done' });
  });
});

describe('the card of a dialog', () => {
  it('is closed by an answer at the terminal, and by the end of its agent', async () => {
    await asked();
    desk.seen(terminal(), PROMPT);
    await settled();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere', reason: 'at the terminal' }]);
    await asked(trust({ since: '2026-01-02T03:05:00.000Z' }));
    expect(hub.raised).toHaveLength(2);
    desk.ended('run_1');
    await settled();
    expect(hub.closed).toMatchObject([{}, { ref: hub.raised[1]?.ref, outcome: 'withdrawn' }]);
    expect(desk.dialogs()).toEqual([]);
  });

  it('is not made where a hook asks already; when that waits no more and the screen still shows it, it is', async () => {
    explained = true;
    await asked(trust({ dialog: 'permission' }));
    expect(hub.raised).toEqual([]);
    explained = false;
    desk.unexplained(SESSION);
    clock.advance(700);
    await settled();
    expect(hub.raised).toHaveLength(1);
  });

  it('is not made for a prompt that is gone within a moment', async () => {
    desk.seen(terminal(), trust());
    clock.advance(500);
    desk.seen(terminal(), PROMPT);
    clock.advance(5_000);
    await settled();
    expect(hub.raised).toEqual([]);
  });

  it('of a menu that the person at the terminal has just opened waits until it is left alone', async () => {
    const menu = trust({ dialog: 'menu' });
    await asked(menu, terminal({ attended: true }));
    expect(hub.raised).toEqual([]);
    clock.advance(20_000);
    await settled();
    expect(hub.raised).toHaveLength(1);
  });

  it('waits for the session to be known, and for the hub', async () => {
    book.end(SESSION, 'not there yet');
    hub.away = true;
    await asked();
    begins();
    clock.advance(700);
    await settled();
    expect(hub.raised).toEqual([]);
    hub.away = false;
    clock.advance(500);
    await settled();
    expect(hub.raised).toHaveLength(1);
  });

  it('is the same after a restart of the daemon, and what was typed is not typed again', async () => {
    await asked();
    desk.stop();
    desk = newDesk();
    await asked();
    expect(hub.raised).toHaveLength(1);
    hub.decide(desk, YES);
    await settled();
    desk.stop();
    desk = newDesk();
    await asked();
    expect(typed).toHaveLength(1);
    expect(hub.raised).toHaveLength(1);
  });
});
