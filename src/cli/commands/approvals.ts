/** intercom approvals list|show|allow|deny: the person decides. Refused where an agent runs it. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { ApprovalState, GrantScope } from '../../protocol/model.ts';
import type { Approval } from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import { asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { card } from '../print/card.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';

interface ListOptions {
  readonly state: string;
  readonly limit: number;
  readonly after?: string;
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
    .description('Deny it. The sender is told, with the reason if you give one.')
    .argument('<id>', 'the approval; an unambiguous beginning is enough')
    .option('--reason <text>', 'what the sender reads')
    .option('--json', 'the result as JSON')
    .action((id: string, options: DecideOptions) => decide(context(), id, 'deny', options));
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
    io.out(style.dim(`\nintercom approvals allow ${first.id}\nintercom approvals deny ${first.id} --reason "…"\n`));
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
  return hub.decide(approval.id, {
    verdict: decision.verdict,
    scope: decision.scope ?? 'once',
    ...(decision.suggestion === undefined ? {} : { suggestion: decision.suggestion - 1 }),
    shownHash: approval.shownHash,
    ...(decision.reason === undefined ? {} : { reason: decision.reason }),
  });
}

function print({ io }: Context, approval: Approval, json: boolean): void {
  if (json) printJson(io, approval);
  else io.out(card(approval, io.now(), styleFor(io.colour)));
}
