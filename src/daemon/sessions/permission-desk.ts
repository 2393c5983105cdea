/**
 * The permission desk: the dialogs in which agents of this machine ask whether they may use a tool or go on with a plan, or ask a question. Each is told to the hub and answered by
 * whoever is first: the person at the terminal or an operator from afar.
 *
 * Invariants: a dialog is known by a `ref` of its own, so that parallel ones never mix; the dialog at the terminal stays usable, and what happened there closes the card at
 * once; without a decision nothing is said, and never yes. Where nobody sits at a terminal, what nobody answered in its time is denied in words. A decision that could do nothing
 * any more, or that the agent does not take, is told to the hub as failed, with why.
 * What is stored is stored by the hub: after a restart of this daemon a hook that still waits raises its dialog again under the same `ref`.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { DeliverDecision } from '../../protocol/daemon-api.ts';
import { toIntercomError, type IntercomError } from '../../protocol/errors.ts';
import type { ApprovalEffect, ApprovalRaised, CloseApproval, RaiseApproval } from '../../protocol/machine-api.ts';
import type { Decision, Session } from '../../protocol/model.ts';
import { oneLine } from '../agents/tool-words.ts';
import type { SessionBook, Unsubscribe } from '../ports.ts';
import type { HookFacts } from './agent-port.ts';
import { subjectOf } from './ask-subject.ts';
import type { DecisionDesk } from './managed.ts';
import { OpenDialog } from './open-dialog.ts';
import type { PermissionCall } from './open-dialog.ts';

/** More dialogs than people answer; what is beyond stays at its terminal. */
const DIALOGS_MAX = 500;
/** As long as an approval may wait. */
const EXPIRES_SECONDS = 24 * 3600;
const RETRY_FIRST_MS = 200;
const RETRY_LONGEST_MS = 30_000;
/** A word that the hub never takes: hello tells it what is open. */
const TELL_TRIES = 12;
/** After a sign that the dialog is over, what came of it is waited for this long. */
const EVIDENCE_MS = 1500;
/** A session that waits for nobody any more, this long: its dialog was answered. */
const SETTLED_MS = 1000;
/** The dialog of a background subagent, and a form, are drawn only when their hooks are done: someone at that terminal must not be kept from them for long. */
const UNDRAWN_PATIENCE_MS = 120_000;
const EARLY_MAX = 200;
/** Dialogs that are over and whose end is remembered, for decisions that come too late. */
const ENDED_MAX = 500;
const TOO_LATE = 'It was answered at the terminal before this decision came.';
const NOT_TAKEN = 'Its agent takes no such answer.';
/** Tool calls of one session that are remembered. */
const BEGUN_MAX = 50;

interface BegunTool {
  readonly agentId: string | undefined;
  readonly tool: NonNullable<HookFacts['tool']>;
}

export interface ApprovalCalls {
  raise(request: RaiseApproval): Promise<ApprovalRaised>;
  close(request: CloseApproval): Promise<void>;
  /** What came of a decision at the agent's side, once. */
  effect(effect: ApprovalEffect): Promise<void>;
}

export interface PermissionDeskOptions {
  readonly machineId: string;
  readonly approvals: ApprovalCalls;
  readonly book: SessionBook;
  readonly clock: Clock;
  readonly log: Log;
  /** A dialog of this session waits no more. */
  readonly onOver?: (session: string) => void;
  /** A new UUID. */
  readonly uuid: () => string;
}

export class PermissionDesk implements DecisionDesk {
  readonly #options: PermissionDeskOptions;
  readonly #dialogs = new Map<string, OpenDialog>();
  /** Decisions whose dialog is not here (yet): the hook comes again after a restart. */
  readonly #early = new Map<string, DeliverDecision>();
  /** What ended a dialog: a decision of the hub's, or a word why such a decision can do nothing any more. */
  readonly #ended = new Map<string, 'decided' | { readonly why: string }>();
  /** Tool calls that began and are not over, by session: a permission request does not say which call it is about. */
  readonly #begun = new Map<string, BegunTool[]>();
  readonly #unsubscribe: Unsubscribe;
  #stopped = false;

  constructor(options: PermissionDeskOptions) {
    this.#options = options;
    this.#unsubscribe = options.book.onChange((session) => this.#sessionChanged(session));
  }

  // ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves with what the hook prints; empty: nothing, the agent's own dialog decides. Never rejects. */
  ask(call: PermissionCall): Promise<string> {
    const ref = createHash('sha256')
      .update(call.key ?? this.#options.uuid())
      .digest('hex')
      .slice(0, 40);
    const early = this.#early.get(ref);
    if (early !== undefined) {
      this.#early.delete(ref);
      this.#remember(ref, 'decided');
      return Promise.resolve(this.#words(ref, call, early.state, early.decision));
    }
    if (this.#stopped || call.signal?.aborted === true) return Promise.resolve('');
    const before = this.#dialogs.get(ref);
    // The same hook again: its older call has lost its way back.
    before?.answer('');
    if (before === undefined && this.#dialogs.size >= DIALOGS_MAX) return Promise.resolve('');
    return new Promise((resolve) => {
      const dialog = new OpenDialog(ref, call, resolve);
      this.#pair(dialog);
      this.#dialogs.set(ref, dialog);
      dialog.onAbort(() => this.#gone(dialog));
      if (isUndrawn(call) && !call.unattended && call.mission === undefined) {
        dialog.later(this.#options.clock.after(UNDRAWN_PATIENCE_MS, () => this.#giveToTerminal(dialog)));
      }
      if (this.#options.book.get(call.session.id)?.state === 'waiting') dialog.shown = !isUndrawn(call);
      void this.#raise(dialog, RETRY_FIRST_MS);
    });
  }

  async #raise(dialog: OpenDialog, delay: number): Promise<void> {
    dialog.asking = true;
    try {
      const raised = await this.#options.approvals.raise({
        ref: dialog.ref,
        session: dialog.call.session.id,
        subject: subjectOf(this.#options.machineId, dialog.call),
        expiresInSeconds: EXPIRES_SECONDS,
      });
      dialog.asking = false;
      if (dialog.over && raised.state === 'pending') this.#sendClose(dialog);
      else if (raised.state !== 'pending') this.#decide(dialog, raised.state, raised.decision);
    } catch (thrown) {
      dialog.asking = false;
      const error = toIntercomError(thrown);
      if (this.#stopped) return;
      // It may have arrived all the same.
      if (dialog.over) this.#sendClose(dialog);
      if (dialog.over) return;
      if (error.retry || error.code === 'internal' || this.#notToldYet(dialog, error)) {
        const next = Math.min(delay * 2, RETRY_LONGEST_MS);
        dialog.later(this.#options.clock.after(delay, () => void this.#raise(dialog, next)));
        return;
      }
      this.#options.log.info({ reason: error.message }, 'the hub did not take a permission request');
      const why = `No operator could be asked: ${error.message}`;
      this.#finish(dialog, dialog.call.unattended ? this.#deny(dialog.call, why) : '');
    }
  }

  /** A session that has only just begun: the hub hears of it in a moment, by the way of all changes of sessions. */
  #notToldYet(dialog: OpenDialog, error: IntercomError): boolean {
    return error.code === 'unknown_session' && this.#options.book.get(dialog.call.session.id) !== undefined;
  }

  // ── decisions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  decided(item: DeliverDecision): void {
    const dialog = this.#dialogs.get(item.ref);
    if (dialog !== undefined) {
      this.#decide(dialog, item.state, item.decision);
      return;
    }
    const ended = this.#ended.get(item.ref);
    if (ended !== undefined) {
      if (ended !== 'decided' && isAnswer(item.state)) this.#failed(item.ref, ended.why);
      return;
    }
    this.#early.set(item.ref, item);
    const [oldest] = this.#early.keys();
    if (this.#early.size > EARLY_MAX && oldest !== undefined) this.#early.delete(oldest);
  }

  /** Whether something of this session waits here for its answer. */
  asks(session: string): boolean {
    return [...this.#dialogs.values()].some(({ over, call }) => !over && call.session.id === session);
  }

  dialogs(): readonly string[] {
    return [...this.#dialogs.values()].filter(({ over }) => !over).map(({ ref }) => ref);
  }

  /** Hooks that wait get nothing, so that every dialog goes on at its terminal; nothing is closed, as the next daemon takes up what still waits. */
  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    for (const dialog of this.#dialogs.values()) dialog.answer('');
    this.#dialogs.clear();
  }

  #decide(dialog: OpenDialog, state: ApprovalRaised['state'], decision: Decision | undefined): void {
    if (dialog.over) {
      // Not where the same hook has come again: the newer call takes it.
      if (isAnswer(state) && (this.#dialogs.get(dialog.ref) ?? dialog) === dialog) this.#failed(dialog.ref, TOO_LATE);
      return;
    }
    this.#remember(dialog.ref, 'decided');
    this.#finish(dialog, this.#words(dialog.ref, dialog.call, state, decision));
  }

  #words(ref: string, call: PermissionCall, state: ApprovalRaised['state'], decision: Decision | undefined): string {
    if (state === 'allowed') return this.#allow(ref, call, decision);
    const question = call.ask.question !== undefined;
    if (state === 'denied') {
      const reason = decision?.reason === undefined ? '' : `: ${decision.reason}`;
      return this.#deny(call, `${question ? 'Declined' : 'Denied'} by ${decision?.by ?? 'an operator'}${reason}`);
    }
    // Nobody decided: the person at the terminal still can, where there is one.
    if (!call.unattended) return '';
    return this.#deny(
      call,
      question ? 'Nobody answered this in time.' : 'Nobody decided about this in time, so it was not done.',
    );
  }

  /** An answer that the agent cannot be given is left to its terminal; where there is none, the agent is told. */
  #allow(ref: string, call: PermissionCall, decision: Decision | undefined): string {
    let why = NOT_TAKEN;
    try {
      const text = call.render({ verdict: 'allow', suggestion: decision?.suggestion, answers: decision?.answers });
      if (text !== undefined) return text;
    } catch (thrown) {
      why = toIntercomError(thrown).message;
    }
    this.#failed(ref, why);
    return call.unattended ? this.#deny(call, why) : '';
  }

  #failed(ref: string, why: string): void {
    if (this.#stopped) return;
    const effect: ApprovalEffect = { ref, state: 'failed', reason: oneLine(why, 300) };
    void this.#tell(() => this.#options.approvals.effect(effect), 1, RETRY_FIRST_MS);
  }

  #remember(ref: string, how: 'decided' | { readonly why: string }): void {
    this.#ended.delete(ref);
    this.#ended.set(ref, how);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_MAX && oldest !== undefined) this.#ended.delete(oldest);
  }

  #deny(call: PermissionCall, message: string): string {
    return call.render({ verdict: 'deny', message: message.slice(0, 2000) }) ?? '';
  }

  #finish(dialog: OpenDialog, text: string): void {
    dialog.answer(text);
    if (this.#dialogs.get(dialog.ref) === dialog) this.#dialogs.delete(dialog.ref);
    this.#options.onOver?.(dialog.call.session.id);
  }

  // ── what happened at the terminal ──────────────────────────────────────────────────────────────────────────────────────

  /** Every hook of every session passes by: some tell that a dialog is over. */
  noteHook(facts: HookFacts): void {
    const { tool } = facts;
    for (const dialog of [...this.#dialogs.values()]) {
      if (dialog.call.session.id !== facts.session) continue;
      if (facts.moment === 'session_end') {
        this.#close(dialog, { outcome: 'withdrawn', reason: 'its session ended' });
      } else if (endsTurn(facts) && dialog.call.facts.agentId === facts.agentId) {
        this.#close(dialog, { outcome: 'answered_elsewhere', verdict: 'deny', reason: 'at the terminal' });
      }
    }
    if (facts.moment === 'session_end') this.#begun.delete(facts.session);
    if (tool?.phase === 'begins') this.#toolBegan(facts, tool);
    else if (tool !== undefined) this.#toolEnded(facts, tool);
  }

  #toolBegan(facts: HookFacts, tool: BegunTool['tool']): void {
    const calls = this.#begun.get(facts.session) ?? [];
    this.#begun.delete(facts.session);
    this.#begun.set(facts.session, [...calls.slice(1 - BEGUN_MAX), { agentId: facts.agentId, tool }]);
    const [oldest] = this.#begun.keys();
    if (this.#begun.size > DIALOGS_MAX && oldest !== undefined) this.#begun.delete(oldest);
  }

  /** The call that the dialog is about: the oldest of its words that no other dialog is about. */
  #pair(dialog: OpenDialog): void {
    const { session, facts } = dialog.call;
    const taken = new Set([...this.#dialogs.values()].map(({ toolUseId }) => toolUseId));
    const began = this.#begun
      .get(session.id)
      ?.find(({ agentId, tool }) => agentId === facts.agentId && dialog.fits(agentId, tool) && !taken.has(tool.id));
    dialog.toolUseId = began?.tool.id;
  }

  /** A tool that ran was allowed. One result closes one dialog: the one with its id, else the oldest of the same words. */
  #toolEnded(facts: HookFacts, tool: BegunTool['tool']): void {
    const calls = this.#begun.get(facts.session);
    if (calls !== undefined)
      this.#begun.set(
        facts.session,
        calls.filter((call) => call.tool.id !== tool.id),
      );
    const fitting = [...this.#dialogs.values()].filter(
      (dialog) => dialog.call.session.id === facts.session && dialog.fits(facts.agentId, tool),
    );
    const dialog = fitting.find(({ toolUseId }) => toolUseId !== undefined && toolUseId === tool.id) ?? fitting[0];
    if (dialog === undefined) return;
    const verdict = tool.phase === 'over' ? 'allow' : 'deny';
    this.#close(dialog, { outcome: 'answered_elsewhere', verdict, reason: 'at the terminal' });
  }

  #sessionChanged(session: Session): void {
    for (const dialog of [...this.#dialogs.values()]) {
      if (dialog.call.session.id !== session.id) continue;
      if (session.state === 'ended') this.#close(dialog, { outcome: 'withdrawn', reason: 'its session ended' });
      else if (dialog.call.facts.agentId !== undefined || dialog.call.unattended) continue;
      else if (isUndrawn(dialog.call)) {
        // Esc leaves its hook waiting, for nobody.
        if (session.state === 'idle')
          dialog.later(this.#options.clock.after(SETTLED_MS, () => this.#interrupted(dialog)));
      } else if (session.state === 'waiting') dialog.shown = true;
      else if (dialog.shown) dialog.later(this.#options.clock.after(SETTLED_MS, () => this.#notShown(dialog)));
    }
  }

  #interrupted(dialog: OpenDialog): void {
    if (!dialog.over && this.#options.book.get(dialog.call.session.id)?.state === 'idle')
      this.#atTerminal(dialog, 'deny');
  }

  /** It was drawn, and the session has gone on: someone answered it there, and what they said is not known yet. */
  #notShown(dialog: OpenDialog): void {
    const state = this.#options.book.get(dialog.call.session.id)?.state;
    if (dialog.over || state === 'waiting' || state === 'unknown') return;
    this.#atTerminal(dialog, state === 'idle' ? 'deny' : undefined);
  }

  /** The hook's caller went away: the dialog was answered there, or its agent is gone. A tool's result or the session's state tells which. */
  #gone(dialog: OpenDialog): void {
    dialog.answer('');
    dialog.later(
      this.#options.clock.after(EVIDENCE_MS, () => {
        const state = this.#options.book.get(dialog.call.session.id)?.state;
        if (state === undefined) this.#close(dialog, { outcome: 'withdrawn', reason: 'its session ended' });
        else this.#atTerminal(dialog, state === 'idle' ? 'deny' : undefined);
      }),
    );
  }

  #atTerminal(dialog: OpenDialog, verdict: 'deny' | undefined): void {
    this.#close(dialog, {
      outcome: 'answered_elsewhere',
      ...(verdict === undefined ? {} : { verdict }),
      reason: 'at the terminal',
    });
  }

  #giveToTerminal(dialog: OpenDialog): void {
    this.#close(dialog, { outcome: 'withdrawn', reason: 'nobody decided from afar; its terminal asks now' });
  }

  #close(dialog: OpenDialog, how: Omit<CloseApproval, 'ref'>): void {
    if (this.#dialogs.get(dialog.ref) !== dialog) return;
    dialog.closing = { ref: dialog.ref, ...how };
    this.#remember(dialog.ref, { why: how.outcome === 'answered_elsewhere' ? TOO_LATE : tooLate(how.reason) });
    this.#finish(dialog, '');
    // After the call that raises it, or it would come too early.
    if (!dialog.asking) this.#sendClose(dialog);
  }

  #sendClose(dialog: OpenDialog): void {
    const { closing } = dialog;
    if (closing !== undefined) void this.#tell(() => this.#options.approvals.close(closing), 1, RETRY_FIRST_MS);
  }

  async #tell(say: () => Promise<void>, tries: number, delay: number): Promise<void> {
    try {
      await say();
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (!error.retry || tries >= TELL_TRIES || this.#stopped) return;
      const next = Math.min(delay * 2, RETRY_LONGEST_MS);
      this.#options.clock.after(delay, () => void this.#tell(say, tries + 1, next));
    }
  }
}

/** Someone at its terminal sees nothing of it while its hook waits. */
function isUndrawn({ facts, ask }: PermissionCall): boolean {
  return facts.agentId !== undefined || ask.drawnLater === true;
}

function isAnswer(state: ApprovalRaised['state']): boolean {
  return state === 'allowed' || state === 'denied';
}

function tooLate(reason: string | undefined): string {
  return `It was over before this decision came: ${reason ?? 'its dialog is gone'}.`;
}

function endsTurn(facts: HookFacts): boolean {
  return facts.moment === 'turn_end' || facts.moment === 'prompt' || facts.event === 'SubagentStop';
}
