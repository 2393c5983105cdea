/** intercom usage: what machines and live sessions used, as their daemons tell it. */
import type { Command } from 'commander';
import type { SessionUsage } from '../../protocol/attention.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import { contextPercent } from '../attention/rows.ts';
import { asOperator } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor, type Style } from '../print/style.ts';
import { table } from '../print/table.ts';
import { dollars, machineWords, sum, tokens } from '../print/usage.ts';

export function define(program: Command, context: () => Context): void {
  program
    .command('usage')
    .description('What was used: five hours and week of each machine, context and cost of each live session.')
    .option('--json', 'as JSON')
    .action((options: { json?: true }) => usage(context(), options.json === true));
}

interface Used {
  readonly address: string;
  readonly usage: SessionUsage;
}

async function usage(context: Context, json: boolean): Promise<void> {
  const { io } = context;
  const snapshot = await asOperator(context, (hub) => hub.snapshot());
  const live = liveUsage(snapshot);
  if (json) {
    const sessions = live.map(({ address, usage: one }) => ({ address, ...one }));
    printJson(io, { machines: snapshot.usage.machines, sessions, at: snapshot.at });
    return;
  }
  const style = styleFor(io.colour);
  if (snapshot.usage.machines.length === 0 && live.length === 0) {
    io.out('Nothing is known yet. Each machine reads it from the records of its agents, as they answer.\n');
    return;
  }
  for (const { machine, ...one } of snapshot.usage.machines)
    io.out(`${style.bold(safe(machine))} ${style.dim(safe(one.agent))}  ${machineWords(one, io.now())}\n`);
  if (live.length > 0) io.out(`\n${sessionTable(live, io.columns, style)}`);
}

/** Sessions that run now, the fullest context first. */
function liveUsage({ agents, usage: { sessions } }: Snapshot): Used[] {
  const found = agents.flatMap((agent) =>
    agent.sessions.flatMap((session) => {
      const own = sessions.find((one) => one.machine === agent.machine && one.session === session.id);
      return own === undefined ? [] : [{ address: `${agent.address}#${session.id}`, usage: own }];
    }),
  );
  return found.sort((a, b) => (contextPercent(b.usage) ?? 0) - (contextPercent(a.usage) ?? 0));
}

function sessionTable(live: readonly Used[], width: number, style: Style): string {
  const columns = [
    { title: 'AGENT', flexible: true, middle: true, paint: style.bold },
    { title: 'MODEL', flexible: true },
    { title: 'CONTEXT', right: true },
    { title: 'TOKENS', right: true },
    { title: 'COST', right: true },
  ];
  const rows = live.map(({ address, usage: one }) => {
    const percent = contextPercent(one);
    const context = one.contextTokens === undefined ? '' : tokens(one.contextTokens);
    return [
      address.replace(/(#.{8}).*/, '$1'),
      one.model ?? '',
      percent === undefined ? context : `${context} ${percent}%`,
      tokens(sum(one.tokens)),
      one.costUsd === undefined ? '' : dollars(one.costUsd),
    ];
  });
  return table(columns, rows, width, style);
}
