/** What an agent asks, as the card of an approval: a tool with its whole input, a plan as its text, questions as they were asked. Pure. */
import { formatAddress } from '../../protocol/address.ts';
import type { QuestionSubject, ToolSubject } from '../../protocol/model.ts';
import { INPUT_TEXT_MAX, oneLine, toolInputText, toolWords, wholeWithin } from '../agents/tool-words.ts';
import type { PermissionCall } from './open-dialog.ts';

type Asking = Pick<PermissionCall, 'session' | 'ask' | 'mission'>;

const NO_PLAN = 'It has written no plan: it only asks to leave its plan mode and go on.';

export function subjectOf(machine: string, asking: Asking): ToolSubject | QuestionSubject {
  const { session, ask, mission } = asking;
  const shared = {
    from: formatAddress({ kind: 'agent', machine, project: session.project, session: session.id }),
    agent: session.agent,
    ...(mission === undefined ? {} : { missionId: mission }),
    cwd: session.cwd,
  };
  if (ask.question !== undefined) {
    const { source, summary, context, questions } = ask.question;
    const known = context === undefined || context === '' ? undefined : wholeWithin(context, INPUT_TEXT_MAX);
    return {
      kind: 'question',
      ...shared,
      source,
      summary,
      ...(known === undefined ? {} : { context: known.text }),
      cut: known?.cut ?? false,
      questions: [...questions],
    };
  }
  const { text, cut } = ask.plan === undefined ? toolInputText(ask.input) : planText(ask.plan);
  return {
    kind: 'tool',
    ...shared,
    ...(ask.plan === undefined ? {} : { plan: true }),
    tool: oneLine(ask.tool, 200),
    summary: ask.plan === undefined ? toolWords(ask.tool, ask.input, session.cwd).label : planTitle(ask.plan),
    input: text,
    cut,
    ...(ask.intent === undefined ? {} : { intent: ask.intent.slice(0, 2000) }),
    suggestions: ask.suggestions.slice(0, 10).map((words) => oneLine(words, 300)),
  };
}

function planText(plan: string): { readonly text: string; readonly cut: boolean } {
  return wholeWithin(plan.trim() === '' ? NO_PLAN : plan, INPUT_TEXT_MAX);
}

/** Its first heading, else its first line. */
function planTitle(plan: string): string {
  const lines = plan.split('\n').filter((line) => line.trim() !== '');
  const first = lines.find((line) => /^#{1,6}\s+\S/.test(line)) ?? lines[0] ?? '';
  return oneLine(first.replace(/^#{1,6}\s+/, ''), 500) || 'Leave the plan mode';
}
