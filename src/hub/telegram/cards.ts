/**
 * Approval cards as Telegram shows them. Pure.
 *
 * Invariants: a card is one message; the text to approve stands in a quote, literally, so that it cannot pass for a part of the card; hidden
 * characters are shown; what is cut is said, and the whole follows as a file. A decided card keeps its text and has no buttons.
 */
import type { Approval, Decision, GrantScope } from '../../protocol/model.ts';
import { cardBody, SUGGESTION_MAX, type CardFacts } from './card-bodies.ts';
import { escapeHtml, oneLine } from './html.ts';
import type { CardButton, Content } from './ports.ts';
import { questionButtons } from './question-cards.ts';
import { mayWrite } from './question-draft.ts';
import { stateLine } from './mirror.ts';
import { shortTime } from './words.ts';

const SCOPES: readonly { readonly scope: GrantScope; readonly letter: string; readonly label: string }[] = [
  { scope: 'once', letter: 'o', label: '✅ Allow once' },
  { scope: 'mission', letter: 'm', label: '✅ This conversation' },
  { scope: 'session', letter: 's', label: '✅ This session' },
  { scope: 'always', letter: 'w', label: '✅ Always' },
];
const DENY = 'd';
const REASON = 'r';

export type Press =
  | {
      readonly verdict: 'allow';
      readonly scope: GrantScope;
      /** The agent's own suggestion with this index. */
      readonly suggestion?: number;
      readonly approvalId: string;
      readonly hash8: string;
    }
  | {
      /** reason: no decision yet, asks for the words of a denial. */
      readonly verdict: 'deny' | 'reason';
      readonly approvalId: string;
      readonly hash8: string;
    };

const PRESS = /^a:([a-z]{3}_[0-9A-Z]{26}):([omswdr0-9]):([0-9a-f]{8})$/;

/** Reads the data of a pressed button, or undefined if it is not one of ours. */
export function readPress(data: string): Press | undefined {
  const match = PRESS.exec(data);
  const [, approvalId, letter, hash8] = match ?? [];
  if (approvalId === undefined || letter === undefined || hash8 === undefined) return undefined;
  if (letter === DENY || letter === REASON) {
    return { verdict: letter === DENY ? 'deny' : 'reason', approvalId, hash8 };
  }
  // The agent's own rule is what lasts then; the hub makes none of its own.
  if (/\d/.test(letter)) return { verdict: 'allow', scope: 'once', suggestion: Number(letter), approvalId, hash8 };
  const known = SCOPES.find((entry) => entry.letter === letter);
  return known === undefined ? undefined : { verdict: 'allow', scope: known.scope, approvalId, hash8 };
}

export function cardContent(facts: CardFacts, silent: boolean): Content {
  const { approval } = facts;
  const isOpen = approval.state === 'pending';
  const body = cardBody(facts);
  const lines = [...body.lines, isOpen ? waitingLine(facts) : outcomeLine(approval)];
  const state = facts.message === undefined || isOpen ? undefined : stateLine(facts.message);
  if (state !== undefined && approval.state === 'allowed') lines.push(state);
  const hasDraft = isOpen && approval.subject.kind === 'question';
  return {
    parts: [lines.join('\n')],
    ...(isOpen ? { buttons: buttonsOf(facts) } : {}),
    ...(body.document === undefined ? {} : { document: body.document }),
    ...(hasDraft && facts.draft !== undefined ? { draft: facts.draft } : {}),
    silent,
  };
}

function waitingLine(facts: CardFacts): string {
  return `<i>Waits until ${shortTime(facts.approval.expiresAt)}. ${howToAnswer(facts)}</i>`;
}

function howToAnswer({ approval: { subject }, draft }: CardFacts): string {
  if (subject.kind === 'question') {
    const question = subject.questions[draft?.answers.length ?? 0];
    if (question === undefined || !mayWrite(question)) return 'Press a button.';
    const or = question.options.length === 0 ? 'Reply' : 'Press a button, or reply';
    return `${or} to this card with your own words.`;
  }
  if (subject.kind === 'tool' && subject.plan === true) return 'Or reply to this card with what it should change.';
  return 'To give a reason, reply with /deny and the reason.';
}

function outcomeLine(approval: Approval): string {
  return `${stateOutcome(approval)}${effectLine(approval)}`;
}

function stateOutcome(approval: Approval): string {
  const { decision, state, subject } = approval;
  switch (state) {
    case 'allowed':
      return `✅ <b>${escapeHtml(scopeWords(approval))}</b>${byWhom(decision)}`;
    case 'denied':
      return `⛔ <b>${denialWords(subject)}</b>${byWhom(decision)}${reasonOf(decision)}`;
    case 'expired':
      return subject.kind === 'question'
        ? `⌛ <b>Expired</b>: nobody answered until ${shortTime(approval.expiresAt)}.`
        : `⌛ <b>Expired</b>: nobody decided until ${shortTime(approval.expiresAt)}; that counts as no.`;
    case 'withdrawn':
      return `↩️ <b>Withdrawn</b>: no decision is needed any more.${reasonOf(decision)}`;
    case 'answered_elsewhere':
      return `↪️ <b>Answered elsewhere</b>${byWhom(decision)}${reasonOf(decision)}`;
    case 'pending':
      return waitingLine({ approval });
  }
}

/** A decision that came too late at the agent's side must not look like one that was carried out. */
function effectLine({ effect }: Approval): string {
  if (effect?.state !== 'failed') return '';
  const why = effect.reason === undefined ? 'look at its terminal' : escapeHtml(oneLine(effect.reason, 300));
  return `\n⚠️ <b>Not done</b>: ${why}`;
}

function denialWords(subject: Approval['subject']): string {
  if (subject.kind === 'question') return 'Declined';
  return subject.kind === 'tool' && subject.plan === true ? 'Sent back to think again' : 'Denied';
}

/** Who comes second is told who was first. */
export function settledWords(approval: Approval): string {
  const { decision, state, subject } = approval;
  const who = decision === undefined ? '' : ` by ${oneLine(decision.by, 60)} (${surfaceWords(decision.via)})`;
  const words = {
    allowed: subject.kind === 'question' ? 'answered already' : 'allowed already',
    denied: subject.kind === 'question' ? 'declined already' : 'denied already',
    answered_elsewhere: 'answered elsewhere already',
    expired: 'too late: it has expired',
    withdrawn: 'withdrawn: nothing is to be decided any more',
    pending: 'still open',
  }[state];
  return `It is ${words}${who}.`;
}

function scopeWords(approval: Approval): string {
  const { subject, decision } = approval;
  if (subject.kind === 'join') return 'Approved';
  if (subject.kind === 'question') return 'Answered';
  const taken = suggestionOf(approval);
  if (taken !== undefined) return `Allowed, as the agent suggested: ${taken}`;
  if (subject.kind === 'tool' && subject.plan === true) return 'Told to go ahead';
  switch (decision?.scope) {
    case 'mission':
      return subject.kind === 'tool' || subject.kind === 'launch'
        ? 'Allowed for this mission'
        : 'Allowed for this conversation';
    case 'session':
      return 'Allowed for this session';
    case 'always':
      return 'Always allowed';
    default:
      return subject.kind === 'launch' ? 'Allowed to start' : 'Allowed once';
  }
}

function suggestionOf({ subject, decision }: Approval): string | undefined {
  if (subject.kind !== 'tool' || decision?.suggestion === undefined) return undefined;
  const words = subject.suggestions[decision.suggestion];
  return words === undefined ? undefined : oneLine(words, 150);
}

function byWhom(decision: Decision | undefined): string {
  if (decision === undefined) return '';
  return ` by ${escapeHtml(oneLine(decision.by, 80))} (${surfaceWords(decision.via)}), ${shortTime(decision.at)}`;
}

function surfaceWords(via: Decision['via']): string {
  switch (via) {
    case 'telegram':
      return 'Telegram';
    case 'web':
      return 'web page';
    case 'cli':
      return 'command line';
    case 'terminal':
      return 'terminal';
    case 'policy':
      return 'policy';
    case 'hub':
      return 'hub';
  }
}

function reasonOf(decision: Decision | undefined): string {
  return decision?.reason === undefined ? '' : `\nReason: ${escapeHtml(oneLine(decision.reason, 300))}`;
}

function buttonsOf({ approval, draft }: CardFacts): CardButton[][] {
  const { subject } = approval;
  if (subject.kind === 'question') return questionButtons(approval, subject, draft);
  const data = (letter: string) => `a:${approval.id}:${letter}:${approval.shownHash.slice(0, 8)}`;
  const isPlan = subject.kind === 'tool' && subject.plan === true;
  const suggestions = subject.kind === 'tool' ? subject.suggestions : [];
  const scopes = SCOPES.filter(({ scope }) => approval.scopes.includes(scope))
    // What the agent itself offers as "always" says more than the word alone; a plan is gone ahead with once.
    .filter(({ scope }) => (scope !== 'always' || suggestions.length === 0) && (!isPlan || scope === 'once'));
  const allowed = scopes.map(({ scope, letter, label }): CardButton => {
    const text = labelOf(approval, scope) ?? label;
    return scope === 'once' ? { text, data: data(letter), style: 'success' } : { text, data: data(letter) };
  });
  const deny: CardButton = { text: isPlan ? '💭 Think again' : '⛔ Deny', data: data(DENY), style: 'danger' };
  const [first, ...others] = allowed;
  if (subject.kind !== 'tool' || first === undefined) return inRows([...allowed, deny]);
  // Of a permission the two plain answers stand together; what lasts longer stands below.
  const taken = suggestions.map((words, index) => [
    { text: suggestionLabel(words, isPlan), data: data(String(index)) },
  ]);
  const reason: CardButton = { text: isPlan ? '✍️ Say what to change' : '✍️ Deny, and say why', data: data(REASON) };
  return [[first, deny], ...taken, ...inRows(others), [reason]];
}

function inRows(buttons: readonly CardButton[]): CardButton[][] {
  const rows: CardButton[][] = [];
  for (let at = 0; at < buttons.length; at += 2) rows.push(buttons.slice(at, at + 2));
  return rows;
}

function labelOf({ subject }: Approval, scope: GrantScope): string | undefined {
  if (subject.kind === 'join') return '✅ Approve';
  if (subject.kind === 'tool' && subject.plan === true) return '✅ Go ahead';
  if (subject.kind === 'launch' && scope === 'once') return '🚀 Start it';
  if ((subject.kind === 'launch' || subject.kind === 'tool') && scope === 'mission') return '✅ This mission';
  return undefined;
}

/** Words that do not fit stand in the card. */
function suggestionLabel(words: string, isPlan: boolean): string {
  const line = oneLine(words, SUGGESTION_MAX);
  return isPlan || /^always\b/i.test(line) ? `✅ ${line}` : `✅ Always: ${line}`;
}

/** What the person who pressed reads for a moment. */
export function decidedToast(approval: Approval): string {
  if (approval.state === 'denied') return `${denialWords(approval.subject)}.`;
  return approval.state === 'allowed' ? `${scopeWords(approval)}.` : 'Done.';
}
