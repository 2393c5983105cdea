/** intercom sessions list|show: the agent sessions that run now, and one look at one of them. */
import type { Command } from 'commander';
import { IntercomError } from '../../protocol/errors.ts';
import type { Confidence, SessionUsage, StateSource } from '../../protocol/attention.ts';
import type { Agent, Session } from '../../protocol/model.ts';
import { asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { relative } from '../print/time.ts';
import { usageWords } from '../print/usage.ts';
import { paintState, sessionWords } from '../print/words.ts';
import { fetchAgents, listOptions, type ListOptions } from './agents.ts';

export function define(program: Command, context: () => Context): void {
  const sessions = program.command('sessions').description('Agent sessions that run now, and how mail gets into them.');
  listOptions(
    sessions.command('list', { isDefault: true }).description('All of them, or those of one machine.'),
  ).action((given: ListOptions) => listSessions(context(), given));
  sessions
    .command('show')
    .description('One session, and the last lines of its screen where intercom owns its terminal.')
    .argument('<session>', 'machine/project#session, or the beginning of the session id')
    .option('--json', 'as JSON')
    .action((name: string, options: { json?: true }) => show(context(), name, options.json === true));
}

interface Found {
  readonly agent: Agent;
  readonly session: Session;
}

/** The one live session that is meant. Throws `unknown_session` or `ambiguous`. */
export function findSession(agents: readonly Agent[], name: string): Found {
  const [address = '', id = ''] = name.includes('#') ? name.split('#') : ['', name];
  const found = agents
    .filter((agent) => address === '' || agent.address === address)
    .flatMap((agent) => agent.sessions.map((session) => ({ agent, session })))
    .filter(({ session }) => id.length >= 4 && session.id.startsWith(id));
  const [first] = found;
  if (first === undefined) {
    throw new IntercomError('unknown_session', `No session that runs now is called "${name.slice(0, 100)}".`, {
      next: '`intercom sessions` lists them; four characters of the id are enough.',
    });
  }
  const exact = found.find(({ session }) => session.id === id);
  if (found.length > 1 && exact === undefined) {
    throw new IntercomError('ambiguous', `More than one session begins with "${id.slice(0, 64)}".`, {
      next: `Give more of it: ${found
        .slice(0, 5)
        .map(({ agent, session }) => `${agent.address}#${session.id}`)
        .join(', ')}.`,
    });
  }
  return exact ?? first;
}

async function show(context: Context, name: string, json: boolean): Promise<void> {
  const { io } = context;
  await asOperator(context, async (hub) => {
    const { agent, session } = findSession((await hub.agents('all')).agents, name);
    const look = session.managed
      ? await hub.inspectSession(agent.machine, session.id).catch((error: unknown) => {
          if (error instanceof IntercomError) return error;
          throw error;
        })
      : undefined;
    const inspection = look instanceof IntercomError ? undefined : look;
    if (json) {
      const usage = await usageOf(hub, agent.machine, session.id);
      printJson(io, {
        address: `${agent.address}#${session.id}`,
        session,
        ...(usage === undefined ? {} : { usage }),
        ...(inspection === undefined ? {} : { inspection }),
      });
      return;
    }
    const style = styleFor(io.colour);
    const usage = await usageOf(hub, agent.machine, session.id);
    const facts: readonly (readonly [string, string | undefined])[] = [
      ['state', `${sessionWords(session)}, since ${relative(session.stateSince, io.now())}`],
      ['waits', waitWords(session, io.now())],
      ['known', sourceWords(session)],
      [
        'silent',
        session.stalledSince === undefined
          ? undefined
          : `nothing was seen of it since ${relative(session.stalledSince, io.now())}`,
      ],
      ['used', usage === undefined ? undefined : usageWords(usage)],
      ['program', `${session.agent} ${session.agentVersion ?? ''}`.trim()],
      ['in', session.cwd],
      ['mission', session.mission],
      ['mail by', RUNG_WORDS[session.rung]],
      ['note', session.rungNote],
    ];
    io.out(`${style.bold(safe(`${agent.address}#${session.id}`))}\n`);
    for (const [title, text] of facts)
      if (text !== undefined) io.out(`  ${style.dim(title.padEnd(8))} ${safe(text)}\n`);
    if (inspection !== undefined) {
      io.out(style.dim(`  ── its screen, ${relative(inspection.at, io.now())} ──\n`));
      for (const line of inspection.lines) io.out(`  ${safe(line)}\n`);
    } else if (look instanceof IntercomError) io.err(style.yellow(`Its screen cannot be seen: ${look.message}\n`));
  });
}

async function usageOf(hub: OperatorClient, machine: string, id: string): Promise<SessionUsage | undefined> {
  const { usage } = await hub.snapshot();
  return usage.sessions.find((one) => one.machine === machine && one.session === id);
}

function waitWords({ state, waiting }: Session, now: number): string | undefined {
  if (state !== 'waiting' || waiting === undefined) return undefined;
  const reset = waiting.resetAt === undefined ? '' : `, resets ${relative(waiting.resetAt, now)}`;
  return `${waiting.kind.replaceAll('_', ' ')}${reset}`;
}

const SOURCE_WORDS: Readonly<Record<StateSource, string>> = {
  hook: 'its hooks',
  app_server: 'its app-server',
  stream: 'its stream',
  registry: "the agent's record of its sessions",
  screen: 'its screen',
  heartbeat: 'a heartbeat file',
  process: 'its process alone',
};
const CONFIDENCE_WORDS: Readonly<Record<Confidence, string>> = {
  certain: '',
  likely: ' (likely)',
  guess: ' (a guess: nothing was heard for long)',
};

function sourceWords({ stateSource, confidence }: Session): string | undefined {
  if (stateSource === undefined) return undefined;
  return `from ${SOURCE_WORDS[stateSource]}${CONFIDENCE_WORDS[confidence ?? 'certain']}`;
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
