/** intercom approvals list|show|allow|deny|answer: the person decides. Refused where an agent runs it. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Question, QuestionAnswer } from '../../protocol/attention.ts';
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import { ApprovalState, GrantScope } from '../../protocol/model.ts';
import type { Approval } from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import { readAnswer, readAnswers } from '../answering.ts';
import { asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { card, optionLines, questionHead } from '../print/card.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { approvalTitle } from '../print/words.ts';

interface ListOptions {
  readonly state: string;
  readonly limit: number;
  readonly after?: string;
  readonly json?: true;
}
interface AnswerOptions {
  readonly answer: readonly string[];
  readonly json?: true;
}
interface DecideOptions {
  readonly suggestion?: number;
  readonly scope?: GrantScope;
  readonly reason?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  const approvals = program.command('approvals').description('What waits for your decision.');
  approvals
    .command('list', { isDefault: true })
    .description('What waits (or, with --state, what was decided).')
    .addOption(
      new Option('--state <state>', 'which ones').choices([...ApprovalState.options, 'any']).default('pending'),
    )
    .option('--limit <number>', 'how many', wholeNumber(1, 200), 50)
    .option('--after <id>', 'go on behind this one, with older ones')
    .option('--json', 'the list as JSON')
    .action((options: ListOptions) => list(context(), options));
  approvals
    .command('show')
    .description('The whole card.')
    .argument('<id>', 'the approval; an unambiguous beginning is enough')
    .option('--json', 'as JSON')
    .action(async (id: string, options: { json?: true }) => {
      const given = context();
      print(given, await asOperator(given, (hub) => hub.approval(id)), options.json === true);
    });
  approvals
    .command('allow')
    .description('Allow it: this once, or further with --scope.')
    .argument('<id>', 'the approval; an unambiguous beginning is enough')
    .addOption(
      new Option('--scope <scope>', 'once; this thread or mission; this session of the sender; always').choices(
        GrantScope.options,
      ),
    )
    .option(
      '--suggestion <number>',
      'take what the agent itself offers as "always": its number on the card',
      wholeNumber(1, 10),
    )
    .option('--json', 'the result as JSON')
    .action((id: string, options: DecideOptions) => decide(context(), id, 'allow', options));
  approvals
    .command('deny')
    .description('Deny it, or decline to answer. Who asked is told, with the reason if you give one.')
    .argument('<id>', 'the approval; an unambiguous beginning is enough')
    .option('--reason <text>', 'what the sender or the agent reads')
    .option('--json', 'the result as JSON')
    .action((id: string, options: DecideOptions) => decide(context(), id, 'deny', options));
  approvals
    .command('answer')
    .description('Answer what an agent asks. Without --answer you are asked, one question after the other.')
    .argument('<id>', 'the approval; an unambiguous beginning is enough')
    .option(
      '--answer <answer>',
      'question=answer: 1=2 is option 2 of question 1; 2="in my own words"; 3=1,3 takes two; once for each question',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--json', 'the result as JSON')
    .action((id: string, options: AnswerOptions) => answer(context(), id, options));
}

async function answer(context: Context, id: string, options: AnswerOptions): Promise<void> {
  const decided = await asOperator(context, async (hub) => {
    const approval = await hub.approval(id);
    const { subject } = approval;
    if (subject.kind !== 'question') {
      throw new IntercomError('invalid_request', 'Nothing is asked there that could be answered in words.', {
        next: `\`intercom approvals allow ${approval.id}\`, or deny with --reason.`,
      });
    }
    const answers =
      options.answer.length > 0
        ? readAnswers(subject.questions, options.answer)
        : await askedAnswers(context, approval, subject.questions);
    return hub.decide(approval.id, { verdict: 'allow', scope: 'once', answers, shownHash: approval.shownHash });
  });
  print(context, decided, options.json === true);
}

/** One question after the other; what is no answer is asked again. */
async function askedAnswers(
  { io }: Context,
  approval: Approval,
  questions: readonly Question[],
): Promise<QuestionAnswer[]> {
  if (!io.interactive) {
    throw new IntercomError('invalid_request', 'Nobody can be asked here.', {
      next: `\`intercom approvals show ${approval.id}\` shows the questions; answer with --answer 1=….`,
    });
  }
  const style = styleFor(io.colour);
  io.err(`${style.bold(approvalTitle(approval))}\n`);
  const answers: QuestionAnswer[] = [];
  for (const [index, question] of questions.entries()) {
    io.err(
      `${[...questionHead(question, index, questions.length, style), ...optionLines(question, style)].join('\n')}\n`,
    );
    const given = await oneAnswer(io, question);
    if (given !== undefined) answers.push(given);
  }
  return answers;
}

async function oneAnswer(io: Context['io'], question: Question): Promise<QuestionAnswer | undefined> {
  for (;;) {
    const text = await io.ask('  > ');
    if (text === undefined) {
      throw new IntercomError('cancelled', 'Nothing was answered.', { next: 'The question still waits.' });
    }
    try {
      const given = readAnswer(question, text);
      if (given !== undefined || question.optional) return given;
      io.err('  It must be answered; Ctrl-C leaves it.\n');
    } catch (error) {
      const fault = toIntercomError(error);
      io.err(`  ${safe(fault.message)} ${safe(fault.next ?? '')}\n`);
    }
  }
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { io } = context;
  const state = options.state === 'any' ? undefined : options.state;
  const page = await asOperator(context, (hub) =>
    hub.approvals(state, options.limit, options.after === undefined ? {} : { after: options.after }),
  );
  if (options.json === true) {
    printJson(io, page);
    return;
  }
  const style = styleFor(io.colour);
  const [first] = page.approvals;
  if (first === undefined) {
    io.out(options.state === 'pending' ? `${style.green('✓')} Nothing waits for you.\n` : 'None.\n');
    return;
  }
  io.out(page.approvals.map((approval) => card(approval, io.now(), style)).join('\n'));
  const last = page.approvals.at(-1);
  if (page.more && last !== undefined)
    io.out(
      style.yellow(`\nThere are older ones: intercom approvals list --state ${options.state} --after ${last.id}\n`),
    );
  if (options.state === 'pending')
    io.out(
      style.dim(
        `\nintercom approvals ${first.kind === 'question' ? 'answer' : 'allow'} ${first.id}\nintercom approvals deny ${first.id} --reason "…"\n`,
      ),
    );
}

async function decide(
  context: Context,
  id: string,
  verdict: DecisionRequest['verdict'],
  options: DecideOptions,
): Promise<void> {
  const decided = await asOperator(context, (hub) => decideOn(hub, id, { verdict, ...options }));
  print(context, decided, options.json === true);
}

/** Decides about what is there now; the hash makes sure that it is what was fetched. */
export async function decideOn(
  hub: OperatorClient,
  id: string,
  decision: {
    readonly verdict: 'allow' | 'deny';
    readonly scope?: GrantScope;
    readonly reason?: string;
    /** From 1, as the card numbers them. */
    readonly suggestion?: number;
  },
): Promise<Approval> {
  const approval = await hub.approval(id);
  mustFit(approval, decision);
  return hub.decide(approval.id, {
    verdict: decision.verdict,
    scope: decision.scope ?? 'once',
    ...(decision.suggestion === undefined ? {} : { suggestion: decision.suggestion - 1 }),
    shownHash: approval.shownHash,
    ...(decision.reason === undefined ? {} : { reason: decision.reason }),
  });
}

/** A question is answered, not allowed; what the agent offers has a number on the card. */
function mustFit(
  { id, subject }: Approval,
  decision: { readonly verdict: string; readonly suggestion?: number },
): void {
  if (subject.kind === 'question' && decision.verdict === 'allow') {
    throw new IntercomError('invalid_request', 'It is a question: it is answered, not allowed.', {
      next: `\`intercom approvals answer ${id}\`, or \`deny\` to decline.`,
    });
  }
  const { suggestion } = decision;
  if (suggestion === undefined) return;
  const offered = subject.kind === 'tool' ? subject.suggestions.length : 0;
  if (suggestion > offered) {
    throw new IntercomError('invalid_request', `There is no offer number ${suggestion} on this card.`, {
      field: 'suggestion',
      next: offered === 0 ? 'The agent offers no "always" here.' : `The card numbers them 1 to ${offered}.`,
    });
  }
}

function print({ io }: Context, approval: Approval, json: boolean): void {
  if (json) printJson(io, approval);
  else io.out(card(approval, io.now(), styleFor(io.colour)));
}
