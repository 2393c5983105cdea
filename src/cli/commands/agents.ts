/** intercom agents: who can be reached. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Agent } from '../../protocol/model.ts';
import { asAgent, asOperator } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { paintState, sessionWords } from '../print/words.ts';

export interface ListOptions {
  readonly online?: true;
  readonly machine?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  listOptions(program.command('agents').description('Agents and their projects: who can be written to.')).action(
    (given: ListOptions) => listAgents(context(), given),
  );
}

export function listOptions(command: Command): Command {
  return command
    .option('--online', 'only machines that are there now')
    .addOption(new Option('--machine <id>', 'only this machine').conflicts('online'))
    .option('--json', 'the list as JSON');
}

export function fetchAgents(context: Context, options: ListOptions): Promise<{ agents: Agent[]; at: string }> {
  const filter =
    options.machine === undefined ? (options.online === true ? 'online' : 'all') : `machine:${options.machine}`;
  const agent = asAgent(context);
  return agent === undefined ? asOperator(context, (hub) => hub.agents(filter)) : agent.daemon.agents(filter);
}

async function listAgents(context: Context, options: ListOptions): Promise<void> {
  const { io } = context;
  const answer = await fetchAgents(context, options);
  if (options.json === true) {
    printJson(io, answer);
    return;
  }
  const style = styleFor(io.colour);
  if (answer.agents.length === 0) {
    io.out('No agents yet. Start one in a project directory, or set discovery.scan_paths (`intercom init`).\n');
    return;
  }
  const rows = answer.agents.map((agent) => [
    agent.address,
    agent.machineStatus,
    agent.sessions.length === 0 ? '—' : agent.sessions.map(sessionWords).join(', '),
    agent.project.description,
  ]);
  const columns = [
    { title: 'ADDRESS', flexible: true, middle: true, paint: style.bold },
    { title: 'MACHINE', paint: (text: string) => paintState(text.trim(), style)(text) },
    { title: 'SESSIONS', flexible: true },
    { title: 'ABOUT', flexible: true, paint: style.dim },
  ];
  io.out(table(columns, rows, io.columns, style));
}
