/**
 * What is said of approvals and sessions in notices, and how it ended. Pure.
 *
 * Invariant: what is asked is in the text, whole where it is short enough, and where it is cut it says so.
 */
import { formatAddress, parseAddress } from '../../protocol/address.ts';
import type { NoticeKind, Question, Wait, WaitKind } from '../../protocol/attention.ts';
import type { Approval, ApprovalSubject, Decision, Session, Surface } from '../../protocol/model.ts';
import { toolLine } from '../../protocol/tool-line.ts';
import type { Notice } from '../services.ts';

const TEXT_MAX = 2_000;

/** One live notice of a session that no approval speaks for. */
export function sessionKey(machine: string, session: string): string {
  return `session:${machine}/${session}`;
}

/** The session that an approval belongs to, as a key; undefined for messages, launches and joins. */
export function sessionKeyOf({ subject }: Approval): string | undefined {
  if (subject.kind !== 'tool' && subject.kind !== 'question') return undefined;
  const from = parseAddress(subject.from);
  return from.kind === 'agent' && from.session !== undefined ? sessionKey(from.machine, from.session) : undefined;
}

export function noticeOfApproval(approval: Approval): Notice {
  const { kind, title, text, about } = wordsOf(approval.subject);
  return {
    key: approval.id,
    kind,
    ...(about === undefined ? {} : { about }),
    title,
    text: shortened(text),
    path: `/#/approvals/${approval.id}`,
    approval,
  };
}

interface Words extends Pick<Notice, 'kind' | 'title' | 'text'> {
  readonly about?: string;
}

function wordsOf(subject: ApprovalSubject): Words {
  switch (subject.kind) {
    case 'tool': {
      const about = subject.from;
      const who = nameOf(about);
      if (subject.plan === true) return { kind: 'plan', about, title: `${who} has a plan`, text: subject.input };
      return { kind: 'permission', about, title: `${who} asks for permission`, text: toolLine(subject) };
    }
    case 'question': {
      const kind: NoticeKind = subject.source === 'dialog' ? 'dialog' : 'question';
      const text = subject.questions.map(questionText).join('\n\n');
      return { kind, about: subject.from, title: `${nameOf(subject.from)} asks`, text };
    }
    case 'launch': {
      const title = `${nameOf(subject.from)} wants to start ${subject.agent} in ${subject.to}`;
      return { kind: 'launch', about: subject.to, title, text: subject.body };
    }
    case 'join':
      return {
        kind: 'join',
        title: `${subject.machineId} wants to join`,
        text: `${subject.displayName}, from ${subject.ip}. Compare the code: ${subject.code}`,
      };
    default: {
      const verb = subject.kind === 'ask' ? 'asks' : 'writes to';
      const title = `${nameOf(subject.from)} ${verb} ${nameOf(subject.to)}`;
      return { kind: subject.kind, about: subject.from, title, text: subject.body };
    }
  }
}

function questionText({ text, options }: Question): string {
  return [text, ...options.map(({ label }) => `• ${label}`)].join('\n');
}

const ASKS: Readonly<Record<WaitKind, string>> = {
  permission: 'asks for permission',
  question: 'asks',
  plan: 'has a plan',
  text: 'wants to be told something',
  trust: 'asks whether it may trust its folder',
  login: 'must be signed in',
  rate_limit: 'has reached a limit',
  dialog: 'shows a dialog',
};

/** What a session waits for. */
export function noticeOfWaiting(machine: string, session: Session): Notice {
  const kind = session.waiting?.kind ?? 'dialog';
  const { what = '', resetAt } = session.waiting ?? {};
  const until = resetAt === undefined ? '' : `It ends at ${clockText(resetAt)}.`;
  return sessionNotice(machine, session, kind, ASKS[kind], [what, until].filter((part) => part !== '').join('\n'));
}

/** It is said to work, and nothing is heard of it. */
export function noticeOfStall(machine: string, session: Session, since: string): Notice {
  const text = `It is said to work, but nothing was heard of it since ${clockText(since)}.`;
  return sessionNotice(machine, session, 'stall', 'is silent', text);
}

export function noticeOfDone(machine: string, session: Session): Notice {
  return sessionNotice(
    machine,
    session,
    'done',
    'is done',
    `It has been at its prompt since ${clockText(session.stateSince)}.`,
  );
}

function sessionNotice(machine: string, session: Session, kind: NoticeKind, verb: string, text: string): Notice {
  const { project, id, name } = session;
  const about = formatAddress({ kind: 'agent', machine, project, session: id });
  const called = name === undefined ? '' : ` (${name})`;
  return {
    key: sessionKey(machine, id),
    kind,
    about,
    title: `${machine}/${project}${called} ${verb}`,
    text: shortened(text),
    path: `/#/sessions/${encodeURIComponent(machine)}/${encodeURIComponent(id)}`,
  };
}

const PLACES: Readonly<Record<Surface, string>> = {
  telegram: ' in Telegram',
  web: ' in the web app',
  cli: ' at the command line',
  terminal: ' at the terminal',
  policy: '',
  hub: '',
};

/** How an approval ended: "Allowed by nora in Telegram". */
export function howApproval({ state, decision, kind }: Approval): string {
  if (state === 'expired') return 'Nobody decided in time';
  if (state === 'withdrawn' || state === 'pending') return 'No longer needed';
  if (decision === undefined) return 'Answered at the terminal';
  return `${verbOf(decision, kind)} ${whoOf(decision)}`;
}

function verbOf({ verdict }: Decision, kind: Approval['kind']): string {
  if (kind === 'question') return verdict === 'allow' ? 'Answered' : 'Declined';
  return verdict === 'allow' ? 'Allowed' : 'Denied';
}

function whoOf({ via, by }: Decision): string {
  if (via === 'terminal') return 'at the terminal';
  return via === 'policy' ? 'by policy' : `by ${by}${PLACES[via]}`;
}

/** How a wait ended that was told without an approval. */
export function howWait({ kind, end, by }: Wait): string {
  if (kind === 'rate_limit') return 'The limit is over';
  if (end === 'answered') return by === undefined ? 'Answered' : `Answered by ${by}`;
  if (end === 'policy') return 'Decided by policy';
  return end === 'at_terminal' ? 'Answered at the terminal' : 'No longer needed';
}

/** The agent without its session, which is nothing that a person knows. */
function nameOf(address: string): string {
  return address.replace(/#.*$/, '');
}

function clockText(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`;
}

function shortened(text: string): string {
  if (text.length <= TEXT_MAX) return text;
  return `${text.slice(0, TEXT_MAX).replace(/[\ud800-\udbff]$/, '')}… (cut here)`;
}
