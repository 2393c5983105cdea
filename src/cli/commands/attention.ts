/** intercom attention [--watch] and attention history: which sessions wait, for what and how long; answered from here, too. */
import type { Command } from 'commander';
import { isoTime, systemClock } from '../../platform/clock.ts';
import type { WaitsPage } from '../../protocol/attention.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import { asOperator } from '../clients/connect.ts';
import { Board } from '../attention/board.ts';
import { feed } from '../attention/feed.ts';
import { changesOf, type RowChange } from '../attention/lines.ts';
import type { Row } from '../attention/rows.ts';
import { watch } from '../attention/watch.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { attentionTable, countWords, kindWords, rowWords, shortAddress } from '../print/attention.ts';
import { printJson } from '../print/json.ts';
import { cut, safe, styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { clockTime, relative, span } from '../print/time.ts';

interface TableOptions {
  readonly watch?: true;
  readonly all?: true;
  readonly json?: true;
}
interface HistoryOptions {
  readonly days: number;
  readonly project?: string;
  readonly limit: number;
  readonly before?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  const attention = program
    .command('attention')
    .description('Who waits for you and for what, who is silent or at a limit, who works.');
  attention
    .command('list', { isDefault: true })
    .description('The table now; with --watch, live, and one can answer from it.')
    .option('-w, --watch', 'keep it on the screen: arrows choose, a allows, d denies, Enter opens the card')
    .option('--all', 'the idle ones too')
    .option('--json', 'as JSON; with --watch one document a line, for each change')
    .action((options: TableOptions) => show(context(), options));
  attention
    .command('history')
    .description('How long sessions waited, and for what.')
    .option('--days <number>', 'of the last days', wholeNumber(1, 365), 7)
    .option('--project <project>', 'of this project alone')
    .option('--limit <number>', 'how many of the waits', wholeNumber(1, 100), 20)
    .option('--before <id>', 'go on behind this one, with older ones')
    .option('--json', 'as JSON')
    .action((options: HistoryOptions) => history(context(), options));
}

async function show(context: Context, options: TableOptions): Promise<void> {
  const { io } = context;
  const live = options.watch === true;
  if (live && options.json !== true && io.tty && io.interactive) {
    await asOperator(context, (hub) => watchHere(context, hub, options.all === true));
    return;
  }
  await asOperator(context, (hub) => (live ? printChanges(context, hub, options) : printTable(context, hub, options)));
}

function watchHere({ io }: Context, hub: OperatorClient, all: boolean): Promise<void> {
  const { stdin, stdout } = process;
  return watch({
    hub,
    clock: systemClock,
    style: styleFor(io.colour),
    all,
    input: stdin,
    output: stdout,
    signals: {
      on: (event, listener) => process.on(event, listener),
      off: (event, listener) => process.off(event, listener),
      // The whole group, as Ctrl-Z does: a wrapper that started us must not go on alone.
      stop: () => void process.kill(0, 'SIGSTOP'),
    },
    signal: io.signal,
  });
}

async function printTable({ io }: Context, hub: OperatorClient, options: TableOptions): Promise<void> {
  const snapshot = await hub.snapshot();
  const board = new Board(snapshot);
  const rows = shown(board.rows(), options);
  if (options.json === true) {
    printJson(io, { at: snapshot.at, rows: rows.map(plain), more: board.more });
    return;
  }
  const style = styleFor(io.colour);
  io.out(`${countWords(board.rows(), style)}\n`);
  if (rows.length > 0) io.out(`\n${attentionTable(rows, io.now(), io.columns, style)}`);
  const first = rows.find(({ approval }) => approval !== undefined)?.approval;
  if (board.more > 0) io.out(style.yellow(`\n${board.more} more cards wait: intercom approvals\n`));
  if (first !== undefined)
    io.out(style.dim(`\nintercom attention --watch     answer from the table\nintercom approvals show ${first.id}\n`));
}

async function printChanges({ io }: Context, hub: OperatorClient, options: TableOptions): Promise<void> {
  const style = styleFor(io.colour);
  let before: readonly Row[] | undefined;
  const line = ({ change, row }: RowChange): string => {
    if (options.json === true)
      return JSON.stringify({ at: isoTime(io.now()), change: change === 'gone' ? 'gone' : 'is', row: plain(row) });
    const words = [shortAddress(row.address), kindWords(row), rowWords(row, io.now())].filter((one) => one !== '');
    const mark = change === 'gone' ? style.dim('-') : '+';
    const text = cut(safe(words.join('  ')), Math.max(20, io.columns - 12));
    return `${style.dim(clockTime(isoTime(io.now()), io.now()))} ${mark} ${text}`;
  };
  await feed(hub, io.signal, {
    onChange: (board) => {
      const after = shown(board.rows(), options);
      for (const change of changesOf(before, after)) io.out(`${line(change)}\n`);
      before = after;
    },
    onLink: (problem) => {
      if (problem !== undefined) io.err(`${style.dim(safe(problem))}\n`);
    },
    onConnected: () => undefined,
  });
}

function shown(rows: readonly Row[], { all }: TableOptions): readonly Row[] {
  return all === true ? rows : rows.filter(({ group }) => group !== 'idle');
}

/** For scripts: times as everywhere, the card by its id. */
function plain(row: Row): object {
  const { group, kind, what, since, resetAt, address, agent, context, costUsd, approval, away } = row;
  return {
    group,
    kind,
    what,
    since: isoTime(since),
    ...(resetAt === undefined ? {} : { resetAt: isoTime(resetAt) }),
    address,
    agent,
    contextPercent: context,
    costUsd,
    approvalId: approval?.id,
    away,
  };
}

async function history(context: Context, options: HistoryOptions): Promise<void> {
  const { io } = context;
  const { days, project, limit, before } = options;
  const page = await asOperator(context, (hub) => hub.waits({ limit, days, project, before }));
  if (options.json === true) {
    printJson(io, page);
    return;
  }
  if (page.waits.length === 0 && page.summary.length === 0) {
    io.out(`No session waited in the last ${days} days.\n`);
    return;
  }
  const style = styleFor(io.colour);
  io.out(summaryTable(page, io.columns, context));
  io.out(`\n${waitTable(page, context)}`);
  const last = page.waits.at(-1);
  if (page.more && last !== undefined)
    io.out(style.yellow(`\nThere are older ones: intercom attention history --days ${days} --before ${last.id}\n`));
}

function summaryTable({ summary }: WaitsPage, width: number, { io }: Context): string {
  const columns = [
    { title: 'FOR' },
    { title: 'TIMES', right: true },
    { title: 'OPEN', right: true },
    { title: 'MEDIAN', right: true },
    { title: 'LONGEST', right: true },
    { title: 'IN ALL', right: true },
  ];
  const rows = summary.map(({ kind, count, open, medianMs, longestMs, totalMs }) => [
    kind.replaceAll('_', ' '),
    String(count),
    String(open),
    ...[medianMs, longestMs, totalMs].map((ms) => span(ms / 1000)),
  ]);
  return table(columns, rows, width, styleFor(io.colour));
}

function waitTable({ waits }: WaitsPage, { io }: Context): string {
  const style = styleFor(io.colour);
  const columns = [
    { title: 'WHEN' },
    { title: 'AGENT', flexible: true, middle: true, paint: style.bold },
    { title: 'FOR', flexible: true },
    { title: 'WAITED', right: true },
    { title: 'ENDED', flexible: true },
  ];
  const rows = waits.map((wait) => [
    relative(wait.since, io.now()),
    shortAddress(`${wait.machine}/${wait.project}#${wait.session}`),
    `${wait.kind.replaceAll('_', ' ')}: ${wait.what}`,
    span(((wait.until === undefined ? io.now() : Date.parse(wait.until)) - Date.parse(wait.since)) / 1000),
    wait.until === undefined
      ? 'waits'
      : `${END_WORDS[wait.end ?? 'gone']}${wait.by === undefined ? '' : ` by ${wait.by}`}`,
  ]);
  return table(columns, rows, io.columns, style);
}

const END_WORDS = { answered: 'answered', at_terminal: 'at the terminal', policy: 'by policy', gone: 'gone' };
