/**
 * intercom missions list|show|start|send|logs|attach|cancel|pause|resume|rerun|fork: pieces of work given to agents. A person speaks to the
 * hub; an agent that runs this asks for its own missions through the daemon, and only that.
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import { parseAddress } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { LONG_POLL_MAX_SECONDS, MESSAGE_BODY_MAX } from '../../protocol/limits.ts';
import { MISSION_STATES, missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission } from '../../protocol/mission.ts';
import { requirePerson } from '../agent-environment.ts';
import { asOperator } from '../clients/connect.ts';
import { withMissions } from '../clients/mission-channel.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { printJson } from '../print/json.ts';
import { missionCard, missionTable, missionWords, paintMission, shortId } from '../print/mission.ts';
import { safe, styleFor } from '../print/style.ts';
import { stateWords } from '../print/words.ts';
import { showLog, type LogOptions } from './mission-logs.ts';

interface Json {
  readonly json?: true;
}
interface ListOptions extends Json {
  readonly state?: string;
  readonly all?: true;
  readonly limit: number;
  readonly before?: string;
}
interface StartOptions extends Json {
  readonly agent?: string;
  readonly runtime?: 'terminal' | 'headless';
  readonly worktree?: true;
  readonly flag?: readonly string[];
  readonly minutes?: number;
  readonly idleMinutes?: number;
  readonly turns?: number;
  readonly budget?: number;
  readonly key?: string;
  readonly wait?: true;
  readonly follow?: true;
}

const ID = ['<id>', 'the mission; an unambiguous beginning is enough'] as const;

export function define(program: Command, context: () => Context): void {
  const missions = program.command('missions').description('Pieces of work given to agents.');
  missions
    .command('list', { isDefault: true })
    .description('Those that are not over; --all for the others too.')
    .option('--all', 'also those that are over')
    .addOption(
      new Option('--state <state>', 'only these').choices(['live', 'over', ...MISSION_STATES]).conflicts('all'),
    )
    .option('--limit <number>', 'how many', wholeNumber(1, 200), 30)
    .option('--before <id>', 'go on behind this one, with older ones')
    .option('--json', 'the list as JSON')
    .action((options: ListOptions) => list(context(), options));
  missions
    .command('show')
    .description('All of one mission, with its result.')
    .argument(...ID)
    .option('--json', 'as JSON')
    .action((id: string, options: Json) =>
      withMissions(context(), async (channel) => print(context(), await channel.mission(id), options)),
    );
  defineStart(missions, context);
  missions
    .command('logs')
    .description('What it did. With -f, what it does, until it is over.')
    .argument(...ID)
    .option('-f, --follow', 'go on until it is over or Ctrl-C')
    .option('--after <number>', 'from this number on', wholeNumber(0, 999_999_999))
    .option('--limit <number>', 'how many of the past', wholeNumber(1, 500), 50)
    .option('--details', 'with what tools were given and what they gave back')
    .option('--json', 'one JSON document a line')
    .action((id: string, options: LogOptions) => showLog(context(), id, options));
  missions
    .command('cancel')
    .description('End it: its agent and everything that the agent started.')
    .argument(...ID)
    .option('--reason <text>', 'what its log says')
    .option('--json', 'the result as JSON')
    .action((id: string, options: Json & { reason?: string }) =>
      withMissions(context(), async (channel) => print(context(), await channel.cancel(id, options.reason), options)),
    );
  defineMoves(missions, context);
}

function defineStart(missions: Command, context: () => Context): void {
  missions
    .command('start')
    .description('Start an agent with a mission.')
    .argument('<to>', 'machine/project')
    .argument('[text...]', 'the mission; without it, standard input is read')
    .option('--agent <name>', "which agent; the project's own otherwise")
    .addOption(new Option('--runtime <runtime>', 'with a terminal, or without').choices(['terminal', 'headless']))
    .option('--worktree', 'in a git worktree and branch of its own')
    .option('--flag <flag...>', "further arguments, from the machine's list of allowed ones (--flag=--model)")
    .option('--minutes <number>', 'the longest it may take', wholeNumber(1, 10_080))
    .option('--idle-minutes <number>', 'the longest without any sign of work', wholeNumber(1, 1_440))
    .option('--turns <number>', 'the most turns', wholeNumber(1, 10_000))
    .option('--budget <dollars>', 'the most it may cost', dollars)
    .option('--key <text>', 'idempotency key: the same key again starts nothing and returns the first')
    .addOption(new Option('--wait', 'wait until it is over, print the result').conflicts('follow'))
    .option('-f, --follow', 'show what it does until it is over')
    .option('--json', 'the mission as JSON')
    .action((to: string, text: string[], options: StartOptions) => start(context(), to, text, options));
}

function defineMoves(missions: Command, context: () => Context): void {
  missions
    .command('send')
    .description('Say something to its agent, now.')
    .argument(...ID)
    .argument('[text...]', 'the message; without it, standard input is read')
    .option('--json', 'the result as JSON')
    .action((id: string, words: string[], options: Json) => send(context(), id, words, options));
  missions
    .command('attach')
    .description('Watch its terminal, or take it over; as `intercom attach` with its session.')
    .argument(...ID)
    .option('--take', 'take the keyboard: what you type goes to the agent')
    .action((id: string, options: { take?: true }) => attach(context(), id, options));
  missions
    .command('pause')
    .description('Stop it and keep its conversation; resume goes on with it.')
    .argument(...ID)
    .option('--reason <text>', 'what its log says')
    .option('--json', 'the result as JSON')
    .action((id: string, options: Json & { reason?: string }) =>
      move(context(), options, (hub) =>
        hub.moveMission(id, 'pause', options.reason === undefined ? {} : { reason: options.reason }),
      ),
    );
  const goOn = (name: 'resume' | 'fork', description: string): Command =>
    missions
      .command(name)
      .description(description)
      .argument(...ID)
      .argument('[text...]', 'what is said to it')
      .option('--json', 'the result as JSON')
      .action((id: string, words: string[], options: Json) => {
        const text = words.join(' ').trim();
        return move(context(), options, (hub) => hub.moveMission(id, name, text === '' ? {} : { text }));
      });
  goOn('resume', 'Go on with its conversation, in the same place.');
  goOn('fork', 'A new mission in a copy of its conversation.');
  missions
    .command('rerun')
    .description('A new mission of the same text.')
    .argument(...ID)
    .option('--json', 'the result as JSON')
    .action((id: string, options: Json) => move(context(), options, (hub) => hub.moveMission(id, 'rerun')));
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { io } = context;
  const state = options.state ?? (options.all === true ? undefined : 'live');
  const page = await withMissions(context, (channel) =>
    channel.list({ limit: options.limit, state, before: options.before }),
  );
  if (options.json === true) {
    printJson(io, page);
    return;
  }
  const style = styleFor(io.colour);
  const last = page.missions.at(-1);
  if (last === undefined) {
    io.out(
      state === 'live'
        ? 'No mission is under way. `intercom missions list --all` shows those that are over.\n'
        : 'None.\n',
    );
    return;
  }
  io.out(missionTable(page.missions, io.now(), io.columns, style));
  if (page.more) io.out(style.yellow(`There are older ones: --before ${last.id}\n`));
}

async function start(context: Context, to: string, words: readonly string[], options: StartOptions): Promise<void> {
  const address = parseAddress(to);
  if (address.kind !== 'agent' || address.session !== undefined) {
    throw new IntercomError('invalid_request', 'A mission is given to a project, not to a session or a person.', {
      field: 'to',
      next: 'Write machine/project; `intercom agents` lists them.',
    });
  }
  const request = {
    machine: address.machine,
    project: address.project,
    text: await textOf(context, words),
    flags: [...(options.flag ?? [])],
    isolation: options.worktree === true ? ('worktree' as const) : ('none' as const),
    limits: {
      ...(options.minutes === undefined ? {} : { maxDurationSeconds: options.minutes * 60 }),
      ...(options.idleMinutes === undefined ? {} : { maxIdleSeconds: options.idleMinutes * 60 }),
      ...(options.turns === undefined ? {} : { maxTurns: options.turns }),
      ...(options.budget === undefined ? {} : { maxBudgetUsd: options.budget }),
    },
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
    ...(options.key === undefined ? {} : { idempotencyKey: options.key }),
  };
  const begun = await withMissions(context, (channel) => channel.start(request));
  if (options.follow === true) {
    await showLog(context, begun.id, {
      follow: true,
      after: 0,
      limit: 500,
      ...(options.json === true ? { json: true } : {}),
    });
    return;
  }
  const mission = options.wait === true ? await untilOver(context, begun) : begun;
  if (options.wait === true || options.json === true) print(context, mission, options);
  else sayBegun(context, mission);
  refuseFailed(mission);
}

function sayBegun({ io }: Context, mission: Mission): void {
  const style = styleFor(io.colour);
  const paint = paintMission(mission.state, style);
  const why = mission.reason === undefined ? '' : `: ${safe(mission.reason)}`;
  io.out(`${paint('●')} ${paint(missionWords(mission))}${why}  ${style.dim(mission.id)}\n`);
  io.out(style.dim(`  intercom missions logs -f ${mission.id}\n`));
}

/** Says on stderr what it waits for, each time that this changes. */
async function untilOver(context: Context, begun: Mission): Promise<Mission> {
  const { io } = context;
  return withMissions(context, async (channel) => {
    let mission = begun;
    let told = '';
    while (!missionIsOver(mission.state) && mission.state !== 'paused') {
      const line = `${missionWords(mission)}${mission.reason === undefined ? '' : `: ${safe(mission.reason)}`}`;
      if (line !== told) io.err(styleFor(io.colour).dim(`… ${line}\n`));
      told = line;
      if (io.signal.aborted) throw gaveUp(mission);
      mission = await channel.mission(mission.id, { seconds: LONG_POLL_MAX_SECONDS, unless: [mission.state] });
    }
    return mission;
  });
}

async function send(context: Context, id: string, words: readonly string[], options: Json): Promise<void> {
  requirePerson(context.io);
  const text = await textOf(context, words);
  const status = await asOperator(context, (hub) => hub.sendToMission(id, text));
  const { io } = context;
  if (options.json === true) {
    printJson(io, status);
    return;
  }
  const style = styleFor(io.colour);
  io.out(
    `${style.green('✓')} ${stateWords(status.state)}  ${style.dim(`${status.id} · intercom trace ${status.id}`)}\n`,
  );
}

async function attach(context: Context, id: string, options: { readonly take?: true }): Promise<void> {
  const mission = await asOperator(context, (hub) => hub.mission(id));
  if (mission.session === undefined || missionIsOver(mission.state)) {
    throw new IntercomError('conflict', `It has no session to attach to now: it is ${missionWords(mission)}.`, {
      next: missionIsOver(mission.state)
        ? `\`intercom missions resume ${shortId(mission.id)}\` goes on with its conversation.`
        : 'Try again once it runs.',
    });
  }
  const address = `${mission.machine}/${mission.project}#${mission.session}`;
  // The command of that name, as if it had been typed with the session.
  const [{ Command: Program }, { define: defineAttach }] = await Promise.all([
    import('commander'),
    import('./attach.ts'),
  ]);
  const program = new Program();
  defineAttach(program, () => context);
  await program.parseAsync(['attach', address, ...(options.take === true ? ['--take'] : [])], { from: 'user' });
}

async function move(context: Context, options: Json, job: (hub: OperatorClient) => Promise<Mission>): Promise<void> {
  print(context, await asOperator(context, job), options);
}

function print({ io }: Context, mission: Mission, options: Json): void {
  if (options.json === true) printJson(io, mission);
  else io.out(missionCard(mission, io.now(), styleFor(io.colour)));
}

async function textOf({ io }: Context, words: readonly string[]): Promise<string> {
  const typed = words.join(' ');
  if (typed.trim() !== '' && typed !== '-') return typed;
  if (typed !== '-' && io.interactive) {
    throw new IntercomError('invalid_request', 'There is no text.', { next: 'Write it behind, or pipe it in.' });
  }
  return (await io.readInput(MESSAGE_BODY_MAX)).replace(/\n+$/, '');
}

/** A mission that came to nothing is an error for whoever scripts this. */
function refuseFailed(mission: Mission): void {
  const failed = missionIsOver(mission.state) && mission.state !== 'completed';
  if (!failed && mission.result?.isError !== true) return;
  const why = mission.reason === undefined ? '' : `: ${mission.reason}`;
  const byPolicy = mission.state === 'denied' && mission.approvedBy === undefined;
  const code = byPolicy
    ? 'denied_by_policy'
    : mission.state === 'denied'
      ? 'denied'
      : mission.state === 'cancelled'
        ? 'cancelled'
        : 'failed';
  throw new IntercomError(code, `The mission is ${missionWords(mission)}${why}.`, {
    next: `\`intercom missions logs ${mission.id}\` shows what it did.`,
    details: { id: mission.id },
  });
}

function gaveUp(mission: Mission): IntercomError {
  return new IntercomError('timeout', `Not over yet; it is ${missionWords(mission)}.`, {
    next: `It goes on. \`intercom missions show ${mission.id}\` shows it.`,
    details: { id: mission.id },
  });
}

function dollars(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 10_000)) {
    throw new IntercomError('invalid_request', 'A budget is a number of dollars, at most 10000.', {
      field: 'budget',
      next: 'Write it like --budget 2.50.',
    });
  }
  return value;
}
