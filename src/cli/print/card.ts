/** An approval as a card on a terminal: all of what is decided about. */
import type { Approval, ApprovalSubject, LaunchSubject, QuestionSubject, ToolSubject } from '../../protocol/model.ts';
import { safe, safeLines } from './style.ts';
import type { Style } from './style.ts';
import { relative } from './time.ts';
import { approvalTitle, indent, limitWords, paintState } from './words.ts';

export function card(approval: Approval, now: number, style: Style): string {
  const { subject, decision } = approval;
  const head = `${paintState(approval.state, style)('●')} ${style.bold(approvalTitle(approval))}  ${style.dim(`${approval.kind} · ${relative(approval.createdAt, now)}`)}`;
  const lines = [head, style.dim(`  ${approval.id}`)];
  lines.push(...subjectLines(subject, style));
  lines.push(style.dim(`  asked because: ${safe(approval.rule)}`));
  if (decision !== undefined) {
    const reason = decision.reason === undefined ? '' : ` (${safe(decision.reason)})`;
    const scope = decision.verdict === 'allow' && decision.scope !== 'once' ? `, ${decision.scope}` : '';
    const verb = decision.verdict === 'allow' ? style.green('allowed') : style.red('denied');
    lines.push(`  ${verb}${scope} by ${safe(decision.by)} via ${decision.via}, ${relative(decision.at, now)}${reason}`);
  } else if (approval.state === 'pending') {
    lines.push(style.dim(`  expires ${relative(approval.expiresAt, now)}`));
  } else {
    lines.push(`  ${paintState(approval.state, style)(approval.state.replaceAll('_', ' '))}`);
  }
  return `${lines.join('\n')}\n`;
}

function subjectLines(subject: ApprovalSubject, style: Style): string[] {
  switch (subject.kind) {
    case 'message':
    case 'ask':
      return [quoted(subject.body, style), style.dim(`  thread: ${safe(subject.threadTitle)}`)];
    case 'join':
      return [
        `  code    ${style.bold(safe(subject.code))}   ${style.dim('must be the same on the other machine')}`,
        `  from    ${safe(subject.ip)}, its daemon at ${safe(subject.daemonUrl)}`,
        ...(subject.replaces
          ? [style.yellow('  A machine of this id is known already: allowing gives it a new secret and this address.')]
          : []),
      ];
    case 'launch':
      return launchLines(subject, style);
    case 'tool':
      return toolLines(subject, style);
    case 'question':
      return questionLines(subject, style);
  }
}

function launchLines(subject: LaunchSubject, style: Style): string[] {
  const limits = limitWords(subject.limits);
  return [
    `  starts  ${style.bold(safe(subject.agent))} (${subject.runtime}) in ${safe(subject.path)}`,
    ...(subject.flags.length === 0 ? [] : [`  flags   ${safe(subject.flags.join(' '))}`]),
    ...(subject.isolation === 'worktree' ? ['  works   in a git worktree and branch of its own'] : []),
    ...(limits === '' ? [] : [`  limits  ${limits}`]),
    ...(subject.depth > 1 ? [`  depth   ${subject.depth} agents in a row started agents`] : []),
    ...(subject.continues === undefined ? [] : [`  goes on ${safe(subject.continues)}`]),
    quoted(subject.body, style),
  ];
}

function toolLines(subject: ToolSubject, style: Style): string[] {
  return [
    `  tool    ${style.bold(safe(subject.tool))}: ${safe(subject.summary)}`,
    `  in      ${safe(subject.cwd)}`,
    ...(subject.intent === undefined ? [] : [`  why     ${safe(subject.intent)}`]),
    quoted(subject.input, style),
    ...(subject.cut ? [style.yellow('  Cut: the input is longer than what is shown here; look at the terminal.')] : []),
    ...subject.suggestions.map((suggestion, index) => style.dim(`  always ${index + 1}: ${safe(suggestion)}`)),
  ];
}

function questionLines(subject: QuestionSubject, style: Style): string[] {
  return [
    `  in      ${safe(subject.cwd)}`,
    ...(subject.context === undefined ? [] : [quoted(subject.context, style)]),
    ...subject.questions.flatMap(({ text, options }) => [
      quoted(text, style),
      ...options.map(({ label }, index) => `  ${index + 1}. ${safe(label)}`),
    ]),
  ];
}

function quoted(text: string, style: Style): string {
  return indent(safeLines(text), `  ${style.dim('│')} `);
}
