/**
 * What a card says about the thing that is decided: one part per kind of approval. The whole of it, or that it is cut, with the rest as a file.
 */
import type {
  Approval,
  JoinSubject,
  LaunchSubject,
  Message,
  MessageSubject,
  QuestionSubject,
  ToolSubject,
} from '../../protocol/model.ts';
import { clip, escapeHtml, oneLine, safeCut, showHidden } from './html.ts';
import type { Content } from './ports.ts';
import { TEXT_MAX } from './split.ts';
import { plainTitle } from './words.ts';

/** Everything a card is drawn from. */
export interface CardFacts {
  readonly approval: Approval;
  /** The message it is about, once its state is known. */
  readonly message?: Message | undefined;
  /** Display names of the machines of sender and recipient, where known. */
  readonly fromMachine?: string | undefined;
  readonly toMachine?: string | undefined;
}

export interface CardBody {
  readonly lines: string[];
  readonly document?: NonNullable<Content['document']>;
}

/** Units kept free for decision, reason, state and the sentence about the cut. */
const RESERVED = 900;

export function cardBody(facts: CardFacts): CardBody {
  const { subject } = facts.approval;
  switch (subject.kind) {
    case 'message':
    case 'ask':
      return messageBody(subject, facts);
    case 'join':
      return joinBody(subject);
    case 'launch':
      return launchBody(subject, facts);
    case 'tool':
      return toolBody(subject, facts);
    case 'question':
      return questionBody(subject, facts);
  }
}

function messageBody(subject: MessageSubject, facts: CardFacts): CardBody {
  const isQuestion = subject.kind === 'ask';
  const head = isQuestion
    ? '❓ <b>A question waits for your approval</b>'
    : '✉️ <b>A message waits for your approval</b>';
  const title = clip(plainTitle(subject.threadTitle), 100);
  // The first message of a conversation is its title; repeating it says nothing.
  const isTitle = title === '' || plainTitle(subject.body).startsWith(title.replace(/…$/, ''));
  const lines = [
    facts.approval.state === 'pending' ? head : head.replace(' waits for your approval', ''),
    `From: ${cardParty(subject.from, facts.fromMachine)}`,
    `To: ${cardParty(subject.to, facts.toMachine)}`,
    ...(isTitle ? [] : [`Conversation: ${escapeHtml(title)}`]),
    `Asked because: ${escapeHtml(oneLine(facts.approval.rule, 200))}`,
  ];
  return withText(lines, subject.body, subject.messageId);
}

function joinBody(subject: JoinSubject): CardBody {
  const spaced = Array.from(oneLine(subject.code, 20)).join(' ');
  return {
    lines: [
      '🖥 <b>A machine wants to join</b>',
      `Machine: <b>${escapeHtml(subject.machineId)}</b> (${escapeHtml(oneLine(subject.displayName, 100))})`,
      `Request from: <code>${escapeHtml(oneLine(subject.ip, 64))}</code>`,
      `Its address: <code>${escapeHtml(oneLine(subject.daemonUrl, 300))}</code>`,
      ...(subject.replaces
        ? ['⚠️ <b>This machine is known already.</b> Approving gives it a new secret and this address.']
        : []),
      '',
      'The same code must stand on that machine:',
      `<pre>      ${escapeHtml(spaced)}      </pre>`,
    ],
  };
}

function cardParty(address: string, machineName: string | undefined): string {
  const name = machineName === undefined ? '' : oneLine(machineName, 40);
  const shown = `<code>${escapeHtml(oneLine(address, 340))}</code>`;
  return name === '' || name === address.split('/')[0] ? shown : `${shown} (on ${escapeHtml(name)})`;
}

function launchBody(subject: LaunchSubject, facts: CardFacts): CardBody {
  const { maxDurationSeconds, maxTurns, maxBudgetUsd } = subject.limits;
  const limits = [
    ...(maxDurationSeconds === undefined ? [] : [`${Math.ceil(maxDurationSeconds / 60)} min`]),
    ...(maxTurns === undefined ? [] : [`${maxTurns} turns`]),
    ...(maxBudgetUsd === undefined ? [] : [`$${maxBudgetUsd}`]),
  ];
  const lines = [
    facts.approval.state === 'pending' ? '🚀 <b>An agent is to be started</b>' : '🚀 <b>Start of an agent</b>',
    `Asked by: ${cardParty(subject.from, facts.fromMachine)}`,
    `At: ${cardParty(subject.to, facts.toMachine)}`,
    `Agent: <b>${escapeHtml(subject.agent)}</b> (${subject.runtime})`,
    `Directory: <code>${escapeHtml(oneLine(subject.path, 300))}</code>`,
    ...(subject.flags.length === 0 ? [] : [`Flags: <code>${escapeHtml(oneLine(subject.flags.join(' '), 500))}</code>`]),
    ...(subject.isolation === 'worktree' ? ['Works in a git worktree and branch of its own.'] : []),
    ...(limits.length === 0 ? [] : [`Limits: ${limits.join(', ')}`]),
    ...(subject.depth > 1 ? [`⚠️ ${subject.depth} agents in a row started agents.`] : []),
    ...(subject.continues === undefined ? [] : [`Goes on: ${escapeHtml(oneLine(subject.continues, 300))}`]),
    `Asked because: ${escapeHtml(oneLine(facts.approval.rule, 200))}`,
  ];
  return withText(lines, subject.body, subject.missionId);
}

function toolBody(subject: ToolSubject, facts: CardFacts): CardBody {
  const lines = [
    facts.approval.state === 'pending'
      ? `🔐 <b>${escapeHtml(subject.agent)} asks for permission</b>`
      : `🔐 <b>Permission for ${escapeHtml(subject.agent)}</b>`,
    `Session: ${cardParty(subject.from, facts.fromMachine)}`,
    `Tool: <b>${escapeHtml(oneLine(subject.tool, 200))}</b> ${escapeHtml(oneLine(subject.summary, 300))}`,
    `Directory: <code>${escapeHtml(oneLine(subject.cwd, 300))}</code>`,
    ...(subject.intent === undefined ? [] : [`Why: ${escapeHtml(oneLine(subject.intent, 500))}`]),
    ...subject.suggestions.map((words) => `It offers: ${escapeHtml(oneLine(words, 150))}`),
    `Asked because: ${escapeHtml(oneLine(facts.approval.rule, 200))}`,
    ...(subject.cut ? ['✂️ <b>The agent’s input was too long to be sent whole.</b> Look at its terminal.'] : []),
  ];
  return withText(lines, subject.input, facts.approval.id);
}

function questionBody(subject: QuestionSubject, facts: CardFacts): CardBody {
  const lines = [
    `❓ <b>${escapeHtml(subject.agent)} asks</b>`,
    `Session: ${cardParty(subject.from, facts.fromMachine)}`,
    `Directory: <code>${escapeHtml(oneLine(subject.cwd, 300))}</code>`,
  ];
  const asked = subject.questions.map(({ text, options }) =>
    [text, ...options.map(({ label }, index) => `${index + 1}. ${label}`)].join('\n'),
  );
  return withText(
    lines,
    [...(subject.context === undefined ? [] : [subject.context]), ...asked].join('\n\n'),
    facts.approval.id,
  );
}

/** The text as a quote; what does not fit is a file beside the card. */
function withText(lines: string[], whole: string, fileName: string): CardBody {
  const room = TEXT_MAX - RESERVED - lines.join('\n').length;
  const shown = showHidden(whole);
  const isCut = shown.length > room;
  const text = isCut ? shown.slice(0, safeCut(shown, room)) : shown;
  lines.push(`<blockquote>${escapeHtml(text)}${isCut ? '…' : ''}</blockquote>`);
  if (!isCut) return { lines };
  const length = whole.length.toLocaleString('en-US');
  const cut = text.length.toLocaleString('en-US');
  lines.push(`✂️ <b>Cut:</b> you see the first ${cut} of ${length} characters. The file below has the whole text.`);
  return {
    lines,
    document: { name: `${fileName}.txt`, text: whole, caption: 'The whole text of the card above.' },
  };
}
