/**
 * Codex' questions on the permission desk of this machine, where Claude Code's hooks are answered too.
 *
 * Invariants: a question stays open at its terminal meanwhile; when it is over there, the desk is told by an aborted call, exactly as with a hook whose caller went away; the desk's
 * "nothing" is no answer at all.
 */
import { z } from 'zod';
import { QuestionAnswer } from '../../../protocol/attention.ts';
import type { HookFacts, PermissionAnswer } from '../../sessions/agent-port.ts';
import type { PermissionDesk } from '../../sessions/permission-desk.ts';
import type { SessionBook } from '../../ports.ts';
import type { Dialog, DialogDesk, DialogVerdict } from './approvals.ts';

const Answer = z.discriminatedUnion('verdict', [
  z.object({
    verdict: z.literal('allow'),
    suggestion: z.number().int().optional(),
    answers: z.array(QuestionAnswer).optional(),
  }),
  z.object({ verdict: z.literal('deny'), message: z.string().optional() }),
]);

export class PermissionDialogs implements DialogDesk {
  readonly #desk: Pick<PermissionDesk, 'ask'>;
  readonly #book: SessionBook;
  readonly #open = new Map<string, AbortController>();

  constructor(desk: Pick<PermissionDesk, 'ask'>, book: SessionBook) {
    this.#desk = desk;
    this.#book = book;
  }

  open(dialog: Dialog, answer: (verdict: DialogVerdict) => boolean): void {
    const session = this.#book.get(dialog.session);
    if (session === undefined) return;
    const abort = new AbortController();
    this.#open.set(dialog.ref, abort);
    const asked = this.#desk.ask({
      session,
      ask: dialog.ask,
      facts: factsOf(dialog, session.cwd),
      render: (given) => answerIn(dialog, given),
      key: dialog.ref,
      signal: abort.signal,
      unattended: false,
      mission: session.mission,
    });
    void asked.then((text) => {
      if (this.#open.get(dialog.ref) === abort) this.#open.delete(dialog.ref);
      const verdict = Answer.safeParse(text === '' ? undefined : JSON.parse(text));
      if (verdict.success) answer(verdict.data);
    });
  }

  close(ref: string): void {
    this.#open.get(ref)?.abort();
    this.#open.delete(ref);
  }
}

/** An Allow alone answers no question. */
function answerIn({ ask, check }: Dialog, given: PermissionAnswer): string | undefined {
  if (ask.question !== undefined && given.verdict === 'allow' && given.answers === undefined) return undefined;
  check?.(given);
  return JSON.stringify(given);
}

function factsOf({ session }: Dialog, cwd: string): HookFacts {
  return {
    moment: 'other',
    event: 'PermissionRequest',
    session,
    cwd,
    transcript: undefined,
    permissionMode: undefined,
    subagent: false,
    prompt: undefined,
    reason: undefined,
  };
}
