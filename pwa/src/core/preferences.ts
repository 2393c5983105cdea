/** How a person wants to be told: what the panel shows and the changes that it asks of the hub. Pure. */
import {
  DEFAULT_CHANNELS,
  type NoticeKind,
  type NoticeChannel,
  type Preferences,
  type PreferencesPatch,
} from '../../../src/protocol/attention.ts';

/** The kinds in the order of the panel, in three parts. */
export const KIND_PARTS: readonly { readonly title: string; readonly kinds: readonly NoticeKind[] }[] = [
  {
    title: 'A session waits',
    kinds: ['permission', 'question', 'plan', 'text', 'dialog', 'trust', 'login', 'rate_limit'],
  },
  { title: 'Your rules say “ask”', kinds: ['message', 'ask', 'launch', 'join'] },
  { title: 'Good to know', kinds: ['stall', 'done'] },
];

export function channelsOf(preferences: Preferences, kind: NoticeKind): readonly NoticeChannel[] {
  return preferences.channels[kind] ?? DEFAULT_CHANNELS[kind];
}

/** Only what changes: the hub takes the channels kind by kind. */
export function withChannel(
  preferences: Preferences,
  kind: NoticeKind,
  channel: NoticeChannel,
  on: boolean,
): PreferencesPatch {
  const others = channelsOf(preferences, kind).filter((one) => one !== channel);
  return { channels: { [kind]: on ? [...others, channel] : others } };
}

const HOUR = 3_600_000;

export function inOneHour(now: number): string {
  return new Date(now + HOUR).toISOString();
}

/** Tomorrow morning at eight, by the clock of this device. */
export function tomorrow(now: number): string {
  const date = new Date(now);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1, 8).toISOString();
}

/** The mutes that still hold; ones that ran out are not worth a line. */
export function liveMutes(preferences: Preferences, now: number): Preferences['mutes'] {
  return preferences.mutes.filter(({ until }) => until === undefined || Date.parse(until) > now);
}

/** Silence for a pattern instead of what was said of it before. */
export function withMute(
  preferences: Preferences,
  pattern: string,
  until: string | undefined,
  now: number,
): PreferencesPatch {
  const others = liveMutes(preferences, now).filter((mute) => mute.pattern !== pattern);
  return { mutes: [...others, { pattern, ...(until === undefined ? {} : { until }) }] };
}

export function withoutMute(preferences: Preferences, pattern: string, now: number): PreferencesPatch {
  return { mutes: liveMutes(preferences, now).filter((mute) => mute.pattern !== pattern) };
}
