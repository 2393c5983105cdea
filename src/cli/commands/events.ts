/** intercom events [--follow]: the hub's event log as lines. */
import type { Command } from 'commander';
import type { HubEvent } from '../../protocol/events.ts';
import { requirePerson } from '../agent-environment.ts';
import { followEvents } from '../clients/event-stream.ts';
import { findHub, OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { eventLine } from '../print/event-line.ts';
import { styleFor } from '../print/style.ts';

interface EventsOptions {
  readonly follow?: true;
  readonly after?: string;
  readonly limit: number;
  readonly type?: readonly string[];
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  program
    .command('events')
    .description('What happened, oldest first; with --follow, what happens from now on too.')
    .option('-f, --follow', 'go on until Ctrl-C; reconnects and says when something was missed')
    .option('--after <epoch:seq>', 'from this number on (the place is printed with --json)')
    .option('--limit <number>', 'how many of the past', wholeNumber(0, 500), 20)
    .option('--type <type...>', 'only these: message, approval, machine, session, …')
    .option('--json', 'one JSON document a line')
    .action((options: EventsOptions) => events(context(), options));
}

async function events(context: Context, options: EventsOptions): Promise<void> {
  const { io } = context;
  requirePerson(io);
  const access = await findHub(context.paths, context.hubUrl, process.getuid?.());
  const hub = new OperatorClient(access);
  try {
    const { epoch, seq } = await hub.status();
    const from = options.after ?? `${epoch}:${Math.max(0, seq - options.limit)}`;
    const page = await hub.events(from, Math.max(1, options.limit));
    if (page.gap)
      io.err('Some of the events asked for are gone (older than the retention, or from before a restore).\n');
    const past = options.limit === 0 ? [] : page.events;
    for (const event of past) show(context, options, event, page.epoch);
    if (options.follow !== true) return;
    await followEvents({
      access,
      after: `${page.epoch}:${past.at(-1)?.seq ?? seq}`,
      signal: io.signal,
      onEvent: (event, at) => show(context, options, event, at),
      onNote: (text) => io.err(styleFor(io.colour).dim(`${text}\n`)),
    });
  } finally {
    await hub.close();
  }
}

function show({ io }: Context, options: EventsOptions, event: HubEvent, epoch: string): void {
  if (
    options.type !== undefined &&
    !options.type.some((type) => event.type === type || event.type.startsWith(`${type}.`))
  )
    return;
  if (options.json === true) io.out(`${JSON.stringify({ epoch, ...event })}\n`);
  else io.out(`${eventLine(event, io.now(), io.columns, styleFor(io.colour))}\n`);
}
