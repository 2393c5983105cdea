/** An approval as a card on a terminal: all of what is decided about. */
import type { Question } from '../../protocol/attention.ts';
import type { Approval, ApprovalSubject, LaunchSubject, QuestionSubject, ToolSubject } from '../../protocol/model.ts';
import { toolLine } from '../../protocol/tool-line.ts';
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
    const always = subject.kind === 'tool' ? subject.suggestions[decision.suggestion ?? -1] : undefined;
    const offer = always === undefined ? '' : ` “${safe(always)}”`;
    lines.push(
      `  ${verdictWords(approval, style)}${scope}${offer} by ${safe(decision.by)} via ${decision.via}, ${relative(decision.at, now)}${reason}`,
      ...answerLines(approval, style),
    );
  } else if (approval.state === 'pending') {
    lines.push(style.dim(`  expires ${relative(approval.expiresAt, now)}`));
  } else {
    lines.push(`  ${paintState(approval.state, style)(approval.state.replaceAll('_', ' '))}`);
  }
  if (approval.effect?.state === 'failed') {
    const why = approval.effect.reason ?? 'its session could not be told';
    lines.push(style.red(`  It did not reach the agent: ${safe(why)}. Look at its terminal.`));
  }
  return `${lines.join('\n')}\n`;
}

function verdictWords({ kind, decision }: Approval, style: Style): string {
  if (decision?.verdict === 'allow') return style.green(kind === 'question' ? 'answered' : 'allowed');
  return style.red(kind === 'question' ? 'declined' : 'denied');
}

function answerLines({ subject, decision }: Approval, style: Style): string[] {
  if (subject.kind !== 'question') return [];
  return (decision?.answers ?? []).flatMap(({ id, options, text }) => {
    const index = subject.questions.findIndex((question) => question.id === id);
    const said = [...options, ...(text === undefined ? [] : [text])].map((one) => safeLines(one)).join(', ');
    return [indent(`${style.dim(`${index + 1}:`)} ${said}`, '    ')];
  });
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
  const plan = subject.plan === true;
  return [
    ...(plan ? [] : [`  tool    ${style.bold(safe(toolLine(subject)))}`]),
    `  in      ${safe(subject.cwd)}`,
    ...(subject.intent === undefined ? [] : [`  why     ${safe(subject.intent)}`]),
    quoted(subject.input, style),
    ...(subject.cut ? [style.yellow(CUT_WORDS)] : []),
    ...subject.suggestions.map((suggestion, index) => style.dim(`  always ${index + 1}: ${safe(suggestion)}`)),
    ...(plan ? [style.dim('  Allowing lets it go ahead; the reason of a denial is what it is to think over.')] : []),
  ];
}

const CUT_WORDS = '  Cut: it is longer than what is shown here; look at the terminal.';

function questionLines(subject: QuestionSubject, style: Style): string[] {
  return [
    `  in      ${safe(subject.cwd)}`,
    ...(subject.context === undefined ? [] : [quoted(subject.context, style)]),
    ...(subject.cut ? [style.yellow(CUT_WORDS)] : []),
    ...subject.questions.flatMap((question, index) => [
      ...questionHead(question, index, subject.questions.length, style),
      ...optionLines(question, style),
    ]),
  ];
}

/** What is asked, and how it may be answered. */
export function questionHead(question: Question, index: number, of: number, style: Style): string[] {
  const number = of === 1 ? '' : `${index + 1}. `;
  const header = question.header === undefined ? '' : `${style.dim(`[${safe(question.header)}]`)} `;
  const rules = [
    ...(question.multiple ? ['several may be taken'] : []),
    ...(question.options.length === 0 ? ['in your own words'] : question.freeText ? ['or in your own words'] : []),
    ...(question.optional ? ['may be left out'] : []),
  ].join('; ');
  return [
    indent(`${number}${header}${style.bold(safeLines(question.text))}`),
    ...(rules === '' ? [] : [style.dim(`     ${rules}`)]),
  ];
}

export function optionLines({ options }: Question, style: Style): string[] {
  return options.flatMap(({ label, description }, index) => [
    `  ${String(index + 1).padStart(4)}) ${safeLines(label).replaceAll('\n', '\n        ')}`,
    ...(description === undefined ? [] : [style.dim(indent(safeLines(description), '        '))]),
  ]);
}

function quoted(text: string, style: Style): string {
  return indent(safeLines(text), `  ${style.dim('│')} `);
}
