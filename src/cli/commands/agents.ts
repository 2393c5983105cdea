/** intercom agents · intercom sessions: who can be reached, and who runs now. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Agent, Session } from '../../protocol/model.ts';
import { asAgent, asOperator } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { relative } from '../print/time.ts';
import { paintState, sessionWords } from '../print/words.ts';

interface ListOptions {
  readonly online?: true;
  readonly machine?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  const options = (command: Command): Command =>
    command
      .option('--online', 'only machines that are there now')
      .addOption(new Option('--machine <id>', 'only this machine').conflicts('online'))
      .option('--json', 'the list as JSON');
  options(program.command('agents').description('Agents and their projects: who can be written to.')).action(
    (given: ListOptions) => listAgents(context(), given),
  );
  options(program.command('sessions').description('Agent sessions that run now, and how mail gets into them.')).action(
    (given: ListOptions) => listSessions(context(), given),
  );
}

function fetchAgents(context: Context, options: ListOptions): Promise<{ agents: Agent[]; at: string }> {
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

async function listSessions(context: Context, options: ListOptions): Promise<void> {
  const { io } = context;
  const { agents, at } = await fetchAgents(context, options);
  const sessions = agents.flatMap((agent) =>
    agent.sessions.map((session) => ({ address: `${agent.address}#${session.id}`, ...session })),
  );
  if (options.json === true) {
    printJson(io, { sessions, at });
    return;
  }
  const style = styleFor(io.colour);
  if (sessions.length === 0) {
    io.out(
      'No agent session runs now. Sessions of Claude Code are found by themselves; `intercom doctor` checks how.\n',
    );
    return;
  }
  const columns = [
    { title: 'AGENT', flexible: true, middle: true, paint: style.bold },
    { title: 'SESSION' },
    { title: 'PROGRAM', flexible: true },
    {
      title: 'STATE',
      flexible: true,
      paint: (text: string) => paintState(text.startsWith('waits') ? 'waiting' : text.trim(), style)(text),
    },
    { title: 'SINCE', flexible: true },
    { title: 'MAIL BY', flexible: true },
  ];
  const rows = agents.flatMap((agent) => agent.sessions.map((session) => row(agent, session, io.now())));
  io.out(table(columns, rows, io.columns, style));
  for (const session of sessions) {
    if (session.rungNote !== undefined) io.out(style.dim(`#${session.id.slice(0, 8)}: ${session.rungNote}\n`));
  }
}

const RUNG_WORDS: Readonly<Record<Session['rung'], string>> = {
  inbox_socket: 'inbox',
  app_server: 'app-server',
  stream: 'stream',
  hooks: 'hooks',
  typed: 'typed',
  pull: 'when it asks',
  none: 'no way',
};

function row(agent: Agent, session: Session, now: number): string[] {
  return [
    agent.address,
    `#${session.id.slice(0, 8)}`,
    `${session.agent} ${session.agentVersion ?? ''}`.trim(),
    sessionWords(session),
    relative(session.stateSince, now),
    RUNG_WORDS[session.rung],
  ];
}
