/** Small wordings that cards and messages share. Pure. */
import type { ErrorCode, IntercomError } from '../../protocol/errors.ts';
import type { Approval } from '../../protocol/model.ts';
import { toolLine } from '../../protocol/tool-line.ts';
import { escapeHtml, oneLine } from './html.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** `21 Nov 14:05 UTC`. A bot does not know the reader's time zone, so the zone is always said. */
export function shortTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return 'an unknown time';
  const clock = time.toISOString().slice(11, 16);
  return `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()] ?? ''} ${clock} UTC`;
}

/** `3 min`, `2 h`, `5 days`. */
export function agoWords(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - new Date(iso).getTime()) / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

const TOPIC_NAME_MAX = 128;

/** `a ⇄ b: title`, at most 128 characters. */
export function topicName(from: string, to: string, title: string): string {
  const pair = `${partyName(from)} ⇄ ${partyName(to)}`;
  const words = plainTitle(title);
  return oneLine(words === '' ? pair : `${pair}: ${words}`, TOPIC_NAME_MAX);
}

/** A title on one line, without the marks of Markdown, at most 128 characters. */
export function plainTitle(title: string): string {
  return oneLine(title.replace(/```[A-Za-z0-9+#_.-]*|`|\*\*/g, ' '), TOPIC_NAME_MAX);
}

/** An address without its session, short enough for a title. */
export function partyName(address: string): string {
  const agent = address.split('#')[0] ?? address;
  return agent.length <= 40 ? agent : `…${agent.slice(-39)}`;
}

/** The address in bold, its session small behind it. */
export function partyHtml(address: string): string {
  const [agent, session] = oneLine(address, 300).split('#');
  const name = `<b>${escapeHtml(agent ?? address)}</b>`;
  return session === undefined ? name : `${name}<code>#${escapeHtml(session.slice(0, 8))}</code>`;
}

/** What to do here, where an error's own next step is for agents and shells. */
const NEXT_HERE: Readonly<Partial<Record<ErrorCode, string>>> = {
  unknown_machine: '/machines lists those that there are.',
  unknown_project: '/agents lists those that there are.',
};

/** An error as one short text for a person. */
export function sentence(error: IntercomError): string {
  const next = NEXT_HERE[error.code] ?? error.next;
  return next === undefined ? error.message : `${error.message} ${next}`;
}

/** What is to be decided, on one line. */
export function subjectWords({ subject }: Pick<Approval, 'subject'>): string {
  if (subject.kind === 'join') return `machine ${subject.machineId} wants to join`;
  if (subject.kind === 'tool') {
    if (subject.plan === true) return `${partyName(subject.from)} has a plan`;
    return `${partyName(subject.from)} wants to use ${oneLine(toolLine(subject), 150)}`;
  }
  if (subject.kind === 'question') return `${partyName(subject.from)} asks: ${subject.summary}`;
  if (subject.kind === 'launch')
    return `${partyName(subject.from)} wants to start ${subject.agent} at ${partyName(subject.to)}`;
  const kind = subject.kind === 'ask' ? 'question' : 'message';
  return `${kind} ${partyName(subject.from)} → ${partyName(subject.to)}`;
}
