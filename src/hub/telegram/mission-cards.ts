/**
 * Missions as Telegram shows them: one card that follows the mission, and a message with what came of it. Pure.
 *
 * Invariants: a card is one message; every button names the run that it was shown for, so that an old one never stops a newer run; a button fits
 * into 64 bytes; "done" is said only of what the agent itself ended without an error.
 */
import type { MissionState } from '../../protocol/mission-life.ts';
import { missionIsLive, missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission, MissionResult } from '../../protocol/mission.ts';
import { clip, escapeHtml, oneLine, showHidden } from './html.ts';
import { textContent } from './mirror.ts';
import { pageAddress } from './pages.ts';
import type { CardButton, Content } from './ports.ts';
import { agoWords, shortTime } from './words.ts';

export const missionKey = (id: string) => `w:${id}`;
export const resultKey = (mission: Pick<Mission, 'id' | 'run'>) => `r:${mission.id}:${mission.run}`;

/** The mission that an item of ours shows, if it shows one. */
export function missionOfKey(key: string): string | undefined {
  return /^[wr]:([^:]+)/.exec(key)?.[1];
}

/** stop: asks once more · end: really · keep: not after all. */
const OPS = { s: 'stop', y: 'end', k: 'keep', p: 'pause', r: 'resume' } as const;
type Letter = keyof typeof OPS;
export interface MissionPress {
  readonly missionId: string;
  readonly op: (typeof OPS)[Letter];
  readonly run: number;
}

const PRESS = /^w:(mis_[0-9A-Z]{26}):([sykpr]):(\d{1,9})$/;

/** Reads the data of a pressed button, or undefined if it is not one of a mission card. */
export function readMissionPress(data: string): MissionPress | undefined {
  const [, missionId, letter, run] = PRESS.exec(data) ?? [];
  const known = letter === 's' || letter === 'y' || letter === 'k' || letter === 'p' || letter === 'r';
  return missionId === undefined || !known ? undefined : { missionId, op: OPS[letter], run: Number(run) };
}

interface Look {
  readonly icon: string;
  readonly words: string;
}

const LOOKS: Readonly<Record<MissionState, Look>> = {
  queued: { icon: '🕓', words: 'Waits for its turn' },
  awaiting_approval: { icon: '🔔', words: 'Waits for approval' },
  starting: { icon: '🚀', words: 'Starts' },
  running: { icon: '⚙️', words: 'At work' },
  waiting_human: { icon: '✋', words: 'Waits for a person' },
  rate_limited: { icon: '🐢', words: 'Held up by a rate limit' },
  paused: { icon: '⏸', words: 'Paused' },
  completed: { icon: '✅', words: 'Done' },
  failed: { icon: '❌', words: 'Failed' },
  cancelled: { icon: '🚫', words: 'Stopped' },
  timed_out: { icon: '⌛', words: 'Ran out of time' },
  denied: { icon: '⛔', words: 'Denied' },
  lost: { icon: '❓', words: 'Lost' },
};
const ERROR: Look = { icon: '⚠️', words: 'Ended with an error' };

function lookOf(mission: Mission): Look {
  return mission.state === 'completed' && mission.result?.isError === true ? ERROR : LOOKS[mission.state];
}

/** `⚙️ At work`, with its place in the queue. */
export function stateWords(mission: Mission): string {
  const { icon, words } = lookOf(mission);
  const place = mission.state === 'queued' && mission.position !== undefined ? `, number ${mission.position}` : '';
  return `${icon} ${words}${place}`;
}

export const addressOf = (mission: Pick<Mission, 'machine' | 'project'>) => `${mission.machine}/${mission.project}`;

export interface CardContext {
  readonly now: number;
  /** The page's address of this mission, where Telegram can open it. */
  readonly url: string | undefined;
  /** Stop was pressed: the next press decides. */
  readonly confirming: boolean;
}

const TEXT_SHOWN = 800;

/** The card of a mission as it is now. */
export function missionCard(mission: Mission, context: CardContext): Content {
  const lines = [
    `<b>${escapeHtml(stateWords(mission))}</b> · ${escapeHtml(oneLine(mission.agent, 60))} at <code>${escapeHtml(oneLine(addressOf(mission), 300))}</code>`,
    `<blockquote>${escapeHtml(clip(showHidden(mission.text), TEXT_SHOWN))}</blockquote>`,
    ...(mission.text.length > TEXT_SHOWN
      ? [`✂️ <i>The beginning of ${mission.text.length.toLocaleString('en-US')} characters.</i>`]
      : []),
    ...waitLines(mission),
    ...(mission.latest === undefined || missionIsOver(mission.state)
      ? []
      : [`▸ ${escapeHtml(oneLine(mission.latest, 200))}`]),
    `<i>${escapeHtml(factWords(mission, context.now))}</i>`,
    `<code>${mission.id}</code>`,
  ];
  const rows = buttonRows(mission, context);
  return { parts: [lines.join('\n')], ...(rows.length === 0 ? {} : { buttons: rows }), silent: true };
}

function waitLines(mission: Mission): string[] {
  const lines: string[] = [];
  if (mission.reason !== undefined) lines.push(escapeHtml(oneLine(mission.reason, 400)));
  if (mission.state === 'rate_limited' && mission.resetAt !== undefined) {
    lines.push(`Goes on by itself at ${shortTime(mission.resetAt)}.`);
  }
  return lines;
}

/** `asked by ann · 3 min · run 2 · 12 turns · $0.34`. */
function factWords(mission: Mission, now: number): string {
  const by = mission.requestedBy.replace(/^human:/, '').split('#')[0] ?? '';
  const approved =
    mission.approvedBy === undefined || mission.approvedBy === by ? '' : `, let by ${mission.approvedBy}`;
  return [
    `asked by ${oneLine(by, 100)}${oneLine(approved, 100)}`,
    ...(missionIsOver(mission.state) || mission.startedAt === undefined
      ? []
      : [`for ${agoWords(mission.startedAt, now)}`]),
    ...(mission.run > 1 ? [`run ${mission.run}`] : []),
    ...(mission.result === undefined ? [] : resultFacts(mission.result)),
  ].join(' · ');
}

function resultFacts({ durationMs, turns, costUsd, exitCode }: MissionResult): string[] {
  return [
    spanWords(durationMs),
    ...(turns === undefined ? [] : [`${turns} ${turns === 1 ? 'turn' : 'turns'}`]),
    ...(costUsd === undefined ? [] : [`$${costUsd.toFixed(2)}`]),
    ...(exitCode === undefined || exitCode === 0 ? [] : [`exit status ${exitCode}`]),
  ];
}

function spanWords(ms: number): string {
  const start = new Date(0).toISOString();
  return agoWords(start, ms);
}

function buttonRows(mission: Mission, { url, confirming }: CardContext): CardButton[][] {
  const data = (letter: Letter) => `w:${mission.id}:${letter}:${mission.run}`;
  const { state } = mission;
  const open: CardButton[] = url === undefined ? [] : [{ text: '🔎 Open', url }];
  if (missionIsOver(state)) {
    const again: CardButton[] =
      state === 'completed' || mission.session === undefined
        ? []
        : [{ text: '▶️ Go on with it', data: data('r'), style: 'primary' }];
    return [...(again.length + open.length === 0 ? [] : [[...again, ...open]])];
  }
  if (confirming) {
    return [
      [
        { text: '⏹ Yes, stop it', data: data('y'), style: 'danger' },
        { text: '↩️ Keep it', data: data('k') },
      ],
      ...(open.length === 0 ? [] : [open]),
    ];
  }
  const stop: CardButton = { text: '⏹ Stop', data: data('s'), style: 'danger' };
  const rest: CardButton[] =
    state === 'paused'
      ? [{ text: '▶️ Resume', data: data('r'), style: 'success' }]
      : missionIsLive(state) && state !== 'starting'
        ? [{ text: '⏸ Pause', data: data('p') }]
        : [];
  return [[...rest, stop, ...open]];
}

/** What came of a run, as a message of its own. */
export function resultContent(mission: Mission): Content {
  const { state, result } = mission;
  const head = `<b>${escapeHtml(stateWords(mission))}</b>: ${escapeHtml(oneLine(mission.agent, 60))} at <code>${escapeHtml(oneLine(addressOf(mission), 200))}</code>`;
  const isDone = state === 'completed' && result?.isError !== true;
  const why = isDone || mission.reason === undefined ? '' : `\n${escapeHtml(oneLine(mission.reason, 300))}`;
  const tail = [
    ...(result?.cut === true ? ['✂️ <i>The agent’s text was longer than what is kept.</i>'] : []),
    ...(result?.branch === undefined
      ? []
      : [
          `Branch <code>${escapeHtml(oneLine(result.branch, 100))}</code>${result.worktreeKept === true ? ', its worktree is kept' : ''}`,
        ]),
    ...(result?.diffStat === undefined ? [] : [`<pre>${escapeHtml(clip(result.diffStat.trim(), 250))}</pre>`]),
    ...(isDone ? [] : [`<i>${NEXT[state] ?? ''}</i>`]),
  ].filter((line) => line !== '<i></i>' && line !== '<pre></pre>');
  const text = result?.text.trim() ?? '';
  if (text === '') {
    const none = isDone ? ['<i>It said nothing at its end.</i>'] : [];
    return { parts: [[`${head}${why}`, ...none, ...tail].join('\n')], silent: isQuiet(mission) };
  }
  return textContent({
    text,
    head: `${head}${why}`,
    tail,
    file: { name: `${mission.id}.txt`, caption: 'The whole result.' },
    silent: isQuiet(mission),
  });
}

/** What to do after an end that is no result. */
const NEXT: Partial<Readonly<Record<MissionState, string>>> = {
  completed: 'Send /resume and what it should do differently, here.',
  failed: 'Send /resume here to go on with its conversation, or start it anew. Its log: intercom missions logs.',
  timed_out: 'Send /resume here: it goes on where it was.',
  lost: 'Nobody saw how it ended. Look at what it did, then send /resume here to go on.',
  cancelled: 'Send /resume here to go on with it after all.',
};

/** Who asked is called; work that agents gave each other, and what a person stopped themselves, rings nobody. */
function isQuiet(mission: Mission): boolean {
  return !mission.requestedBy.startsWith('human') || mission.state === 'cancelled';
}

export function missionUrl(pageUrl: string | undefined, id: string): string | undefined {
  return pageAddress(pageUrl, `#/missions/${id}`);
}
