/**
 * `/mute`, `/unmute` and `/quiet`: how the person who writes wants to be told. Cards and notices still come, without a sound.
 *
 * Invariants: a command changes the preferences of its writer and of nobody else; it says what holds afterwards; what is not understood
 * changes nothing. Time zones and patterns are checked by the hub.
 */
import type { Preferences } from '../../protocol/attention.ts';
import { isoTime } from '../../platform/clock.ts';
import type { Actor, Attention } from '../services.ts';
import { escapeHtml, oneLine } from './html.ts';
import { shortTime } from './words.ts';

export interface PreferenceContext {
  readonly attention: Pick<Attention, 'preferences' | 'changePreferences'>;
  readonly actor: Actor;
  readonly now: number;
}

/** The answer, in lines; undefined if this is no command about preferences. */
export async function preferenceCommand(
  name: string,
  args: string,
  context: PreferenceContext,
): Promise<string[] | undefined> {
  switch (name) {
    case 'mute':
      return mute(args, context);
    case 'unmute':
      return unmute(args, context);
    case 'quiet':
      return quiet(args, context);
    default:
      return undefined;
  }
}

const MUTE_USAGE = [
  'Say for how long, and for whom if not for all:',
  '<code>/mute 2h</code>, <code>/mute laptop/* 1d</code>, <code>/mute laptop/api</code> (until /unmute)',
];
const QUIET_USAGE = [
  'Say from when to when, and where you are:',
  '<code>/quiet 22:00-07:00 Europe/Paris</code>, or <code>/quiet off</code>',
];

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const SPAN_MAX = 365 * 86_400_000;
const MUTES_MAX = 100;
/** What looks like an address; whether it can be read as a pattern, the hub says. */
const PATTERN = /^[^\s/]+(?:\/\S+)$|^\*\*$/;

/** `30m`, `2h`, `1d`, `1w` in milliseconds; undefined: none of these, or more than a year. */
export function spanOf(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,4})\s?(m|h|d|w)(?:in|ours?|ays?|eeks?)?$/i.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit.toLowerCase()] ?? 0);
  return ms > 0 && ms <= SPAN_MAX ? ms : undefined;
}

async function mute(args: string, { attention, actor, now }: PreferenceContext): Promise<string[]> {
  const { name } = actor.operator;
  const words = args
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return [...stateLines(await attention.preferences(name), now), '', ...MUTE_USAGE];
  const [first = '', second] = words;
  const forAll = spanOf(words.join(''));
  if (forAll !== undefined) {
    const changed = await attention.changePreferences(name, { muteUntil: isoTime(now + forAll) });
    return stateLines(changed, now);
  }
  const span = second === undefined ? undefined : spanOf(words.slice(1).join(''));
  if (!PATTERN.test(first) || (second !== undefined && span === undefined)) return MUTE_USAGE;
  const { mutes } = await attention.preferences(name);
  const others = mutes.filter(
    ({ pattern, until }) => pattern !== first && (until === undefined || Date.parse(until) > now),
  );
  if (others.length >= MUTES_MAX) return [`There are ${MUTES_MAX} mutes already. /unmute some of them first.`];
  const fresh = { pattern: first, ...(span === undefined ? {} : { until: isoTime(now + span) }) };
  return stateLines(await attention.changePreferences(name, { mutes: [...others, fresh] }), now);
}

async function unmute(args: string, { attention, actor, now }: PreferenceContext): Promise<string[]> {
  const { name } = actor.operator;
  const pattern = args.trim();
  if (pattern === '') return stateLines(await attention.changePreferences(name, { muteUntil: null, mutes: [] }), now);
  const { mutes } = await attention.preferences(name);
  const others = mutes.filter((each) => each.pattern !== pattern);
  if (others.length === mutes.length) {
    return [
      `Nothing is muted as <code>${escapeHtml(oneLine(pattern, 100))}</code>.`,
      ...stateLines(await attention.preferences(name), now),
    ];
  }
  return stateLines(await attention.changePreferences(name, { mutes: others }), now);
}

async function quiet(args: string, { attention, actor, now }: PreferenceContext): Promise<string[]> {
  const { name } = actor.operator;
  const text = args.trim();
  if (text === '') return [...stateLines(await attention.preferences(name), now), '', ...QUIET_USAGE];
  if (/^(off|none|never)$/i.test(text))
    return stateLines(await attention.changePreferences(name, { quiet: null }), now);
  const [, from, to, zone] = /^(\d{1,2}:\d{2})\s*(?:-|–|to)\s*(\d{1,2}:\d{2})(?:\s+(\S+))?$/i.exec(text) ?? [];
  const [start, end] = [clockTime(from), clockTime(to)];
  if (start === undefined || end === undefined || start === end) return QUIET_USAGE;
  const timeZone = zone ?? (await attention.preferences(name)).quiet?.timeZone;
  if (timeZone === undefined) return ['Which time zone is that in?', ...QUIET_USAGE];
  return stateLines(await attention.changePreferences(name, { quiet: { from: start, to: end, timeZone } }), now);
}

/** `7:05` as `07:05`; undefined: no time of day. */
function clockTime(text: string | undefined): string | undefined {
  const padded = text?.padStart(5, '0');
  return padded !== undefined && /^([01]\d|2[0-3]):[0-5]\d$/.test(padded) ? padded : undefined;
}

/** What holds for this person now. */
export function stateLines({ muteUntil, mutes, quiet: hours, digestMinutes }: Preferences, now: number): string[] {
  const isMuted = muteUntil !== undefined && Date.parse(muteUntil) > now;
  const live = mutes.filter(({ until }) => until === undefined || Date.parse(until) > now);
  const lines = [
    ...(isMuted ? [`🔕 Nothing rings for you until ${shortTime(muteUntil)}. /unmute ends that.`] : []),
    ...live.map(({ pattern, until }) => {
      const how = until === undefined ? 'until you /unmute it' : `until ${shortTime(until)}`;
      return `🔕 <code>${escapeHtml(pattern)}</code> is muted for you ${how}.`;
    }),
    ...(hours === undefined
      ? []
      : [
          `🌙 Quiet for you from ${hours.from} to ${hours.to} (${escapeHtml(hours.timeZone)}); what came is told afterwards.`,
        ]),
    ...(digestMinutes === 0 ? [] : [`📨 What is not urgent is told together, every ${digestMinutes} minutes.`]),
  ];
  return lines.length === 0
    ? ['🔔 Everything rings for you.']
    : [...lines, '<i>Cards still come, without a sound.</i>'];
}
