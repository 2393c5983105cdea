/** Missions and their logs as a person reads them on a terminal. Everything in them came from elsewhere, so all of it goes through `safe`. */
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission, MissionLogEntry, MissionResult } from '../../protocol/mission.ts';
import { safe, safeLines, type Style } from './style.ts';
import { table } from './table.ts';
import { clockTime, relative, span } from './time.ts';
import { indent, limitWords, paintState, plural } from './words.ts';

export function missionWords({ state, position, result }: Mission): string {
  if (state === 'queued' && position !== undefined) return `queued (${position})`;
  if (state === 'completed' && result?.isError === true) return 'completed with an error';
  return state.replaceAll('_', ' ');
}

export function paintMission(state: Mission['state'], style: Style): (text: string) => string {
  if (state === 'running' || state === 'completed') return style.green;
  if (state === 'timed_out' || state === 'lost') return style.red;
  if (state === 'awaiting_approval' || state === 'waiting_human' || state === 'rate_limited' || state === 'paused')
    return style.yellow;
  return paintState(state, style);
}

export function missionTable(missions: readonly Mission[], now: number, width: number, style: Style): string {
  const columns = [
    { title: 'MISSION' },
    { title: 'AGENT', flexible: true, middle: true, paint: style.bold },
    { title: 'STATE', paint: (text: string) => paintWords(text, style) },
    { title: 'SINCE' },
    { title: 'WHAT', flexible: true },
  ];
  const rows = missions.map((mission) => [
    shortId(mission.id),
    `${mission.machine}/${mission.project}`,
    missionWords(mission),
    relative(mission.stateSince, now),
    mission.text.slice(0, 200),
  ]);
  return table(columns, rows, width, style);
}

/** Enough of an id to name it: ids begin with the time, so a short prefix would fit many. */
export function shortId(id: string): string {
  return id.slice(0, 18);
}

function paintWords(text: string, style: Style): string {
  const word = text.trim();
  if (word.startsWith('running') || word === 'completed') return style.green(text);
  if (/^(failed|denied|cancelled|timed out|lost|completed with)/.test(word)) return style.red(text);
  return /^(awaiting|waiting|rate|paused)/.test(word) ? style.yellow(text) : style.blue(text);
}

export function missionCard(mission: Mission, now: number, style: Style): string {
  const paint = paintMission(mission.state, style);
  const session = mission.session === undefined ? '' : `#${mission.session}`;
  const limits = limitWords(mission.limits);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['at', `${mission.machine}/${mission.project}${session}`],
    [
      'agent',
      `${mission.agent} (${mission.runtime})${mission.flags.length === 0 ? '' : ` ${mission.flags.join(' ')}`}`,
    ],
    ['in', mission.path],
    ['works', mission.isolation === 'worktree' ? 'in a git worktree and branch of its own' : undefined],
    ['limits', limits === '' ? undefined : limits],
    ['asked by', mission.requestedBy],
    ['allowed', mission.approvedBy === undefined ? mission.rule : `by ${mission.approvedBy}`],
    ['from', mission.from === undefined ? mission.parent : `a copy of ${mission.from}`],
    ['run', mission.run > 1 ? String(mission.run) : undefined],
    [
      'reset',
      mission.resetAt === undefined ? undefined : `the provider lets it go on ${relative(mission.resetAt, now)}`,
    ],
    ['latest', missionIsOver(mission.state) ? undefined : mission.latest],
  ];
  const why = mission.reason === undefined ? '' : `: ${safe(mission.reason)}`;
  return [
    `${paint('●')} ${paint(missionWords(mission))}${why}  ${style.dim(relative(mission.stateSince, now))}`,
    style.dim(`  ${mission.id}`),
    ...facts.flatMap(([title, text]) => (text === undefined ? [] : [`  ${style.dim(title.padEnd(9))}${safe(text)}`])),
    indent(safeLines(mission.text), `  ${style.dim('│')} `),
    ...(mission.result === undefined ? [] : resultLines(mission.result, style)),
    '',
  ].join('\n');
}

function resultLines(result: MissionResult, style: Style): string[] {
  const facts = [
    ...(result.turns === undefined ? [] : [plural(result.turns, 'turn')]),
    ...(result.costUsd === undefined ? [] : [`$${result.costUsd.toFixed(2)}`]),
    span(result.durationMs / 1000),
    ...(result.exitCode === undefined ? [] : [`exit ${result.exitCode}`]),
    ...(result.signal === undefined ? [] : [result.signal]),
  ];
  const title = result.isError ? style.red('  the agent says that it failed') : style.bold('  result');
  return [
    `${title}  ${style.dim(facts.join(' · '))}`,
    indent(safeLines(result.text === '' ? '(it said nothing)' : result.text)),
    ...(result.cut ? [style.yellow('  Cut: it was longer than what is kept.')] : []),
    ...(result.branch === undefined ? [] : [`  ${style.dim('branch   ')}${safe(result.branch)}`]),
    ...(result.diffStat === undefined ? [] : [indent(safeLines(result.diffStat))]),
  ];
}

const MARKS: Readonly<Record<MissionLogEntry['kind'], string>> = {
  state: '◆',
  prompt: '»',
  text: '¶',
  tool: '⚙',
  file: '✎',
  command: '$',
  done: '✓',
  result: '■',
  note: '·',
  gap: '…',
};

export function logLine(entry: MissionLogEntry, now: number, style: Style, details: boolean): string {
  const failed = entry.ok === false;
  const paint = failed ? style.red : entry.kind === 'gap' ? style.yellow : style.cyan;
  const head = `${style.dim(clockTime(entry.at, now))} ${paint(failed ? '✗' : MARKS[entry.kind])} ${safe(entry.label)}`;
  const { detail } = entry;
  const shown = details && detail !== undefined && detail.trim() !== entry.label.trim();
  return shown ? `${head}\n${indent(safeLines(detail), `    ${style.dim('│')} `)}\n` : `${head}\n`;
}
