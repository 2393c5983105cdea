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
import { toolLine } from '../../protocol/tool-line.ts';
import { withCode, withPlan, withText, type CardBody } from './card-texts.ts';
import { clip, escapeHtml, oneLine } from './html.ts';
import { openQuestion, settledQuestion } from './question-cards.ts';
import { EMPTY, type Draft } from './question-draft.ts';
import { plainTitle } from './words.ts';

/** Everything a card is drawn from. */
export interface CardFacts {
  readonly approval: Approval;
  /** The message it is about, once its state is known. */
  readonly message?: Message | undefined;
  /** Display names of the machines of sender and recipient, where known. */
  readonly fromMachine?: string | undefined;
  readonly toMachine?: string | undefined;
  /** What was answered so far, of questions. */
  readonly draft?: Draft | undefined;
}

/** What fits on a button. */
export const SUGGESTION_MAX = 60;

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
  return withText({ head: lines }, subject.body, subject.messageId);
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
  return withText({ head: lines }, subject.body, subject.missionId);
}

/** What is to be done first, so that a phone's preview says it; whose it is below. */
function toolBody(subject: ToolSubject, facts: CardFacts): CardBody {
  const { approval } = facts;
  const isOpen = approval.state === 'pending';
  const agent = escapeHtml(subject.agent);
  const foot = [
    ...(subject.cut ? ['✂️ <b>The agent’s input was too long to be sent whole.</b> Look at its terminal.'] : []),
    ...(subject.intent === undefined ? [] : [`Why: ${escapeHtml(oneLine(subject.intent, 300))}`]),
    ...whoseLines(subject, facts),
    // The others stand whole on their buttons.
    ...subject.suggestions
      .filter((words) => words.length > SUGGESTION_MAX)
      .map((words) => `It offers: ${escapeHtml(oneLine(words, 100))}`),
  ];
  if (subject.plan === true) {
    const title = isOpen ? `📋 <b>${agent} has a plan. May it go ahead?</b>` : `📋 <b>Plan of ${agent}</b>`;
    return withPlan({ head: [title], foot }, subject.input, approval.id);
  }
  const tool = escapeHtml(oneLine(subject.tool, 200));
  const title = isOpen
    ? `🔐 <b>${agent} asks for permission: ${tool}</b>`
    : `🔐 <b>Permission for ${agent}: ${tool}</b>`;
  // The title names the tool.
  const line = oneLine(toolLine(subject), 300);
  const summary = line.startsWith(`${subject.tool}: `) ? line.slice(subject.tool.length + 2) : line;
  // A command of one line is below anyway.
  const isBelow = oneLine(subject.input, 100_000).startsWith(summary.replace(/…$/, ''));
  const rule = `Asked because: ${escapeHtml(oneLine(approval.rule, 200))}`;
  return withCode(
    { head: [title, ...(isBelow ? [] : [escapeHtml(summary)])], foot: [...foot, rule] },
    subject.input,
    approval.id,
  );
}

function questionBody(subject: QuestionSubject, facts: CardFacts): CardBody {
  const { approval, draft = EMPTY } = facts;
  const isOpen = approval.state === 'pending';
  const agent = escapeHtml(subject.agent);
  const count = subject.questions.length;
  const title = isOpen
    ? `❓ <b>${agent} asks${count === 1 ? ' you something' : ` ${count} things`}</b>`
    : `❓ <b>${count === 1 ? 'Question' : `${count} questions`} of ${agent}</b>`;
  const frame = { head: [title], foot: whoseLines(subject, facts) };
  return isOpen ? openQuestion(frame, approval, subject, draft) : settledQuestion(frame, approval, subject);
}

function whoseLines({ from, cwd }: ToolSubject | QuestionSubject, { fromMachine }: CardFacts): string[] {
  return [`Session: ${cardParty(from, fromMachine)}`, `Directory: <code>${escapeHtml(oneLine(cwd, 300))}</code>`];
}
