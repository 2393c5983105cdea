/** intercom preferences: what may ring for the operator who is signed in, when and where. */
import { Argument, InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { isoTime } from '../../platform/clock.ts';
import {
  DEFAULT_CHANNELS,
  NoticeChannel,
  NoticeKind,
  type Preferences,
  type PreferencesPatch,
} from '../../protocol/attention.ts';
import { asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { relative } from '../print/time.ts';

interface Json {
  readonly json?: true;
}
type Channels = readonly NoticeChannel[] | 'default';

const EVERYTHING = 'all';

export function define(program: Command, context: () => Context): void {
  const preferences = program.command('preferences').description('What may ring for you, when, and where.');
  const change = (options: Json, patch: (now: Preferences) => PreferencesPatch): Promise<void> =>
    patched(context(), options.json === true, patch);
  preferences
    .command('show', { isDefault: true })
    .description('As they are.')
    .option('--json', 'as JSON')
    .action(async (options: Json) => {
      const given = context();
      print(given, await asOperator(given, (hub) => hub.preferences()), options.json === true);
    });
  preferences
    .command('mute')
    .description('Nothing rings for these agents, for a while or until you unmute them.')
    .argument('<pattern>', 'machine/project, with * as in policies; or "all"')
    .argument('[for]', 'how long: 30m, 2h, 3d', duration)
    .option('--json', 'the result as JSON')
    .action((pattern: string, ms: number | undefined, options: Json) =>
      change(options, (now) => muted(now, pattern, ms, context().io.now())),
    );
  preferences
    .command('unmute')
    .description('They may ring again.')
    .argument('<pattern>', 'as it was muted; or "all"')
    .option('--json', 'the result as JSON')
    .action((pattern: string, options: Json) =>
      change(options, ({ mutes }) =>
        pattern === EVERYTHING
          ? { mutes: [], muteUntil: null }
          : { mutes: mutes.filter((one) => one.pattern !== pattern) },
      ),
    );
  preferences
    .command('quiet')
    .description('Nothing rings between these times of day; what came meanwhile is told in one digest afterwards.')
    .argument('<times>', 'like 22:00-07:00; or "off"', quietTimes)
    .argument('[zone]', 'the time zone (default: that of this machine)', timeZone)
    .option('--json', 'the result as JSON')
    .action((times: QuietTimes | 'off', zone: string | undefined, options: Json) =>
      change(options, () => ({ quiet: times === 'off' ? null : { ...times, timeZone: zone ?? zoneHere() } })),
    );
  preferences
    .command('channel')
    .description('Where a kind of thing rings.')
    .addArgument(new Argument('<kind>', 'what').choices([...NoticeKind.options, EVERYTHING]))
    .argument('<channels>', 'telegram, push, or both with a comma; none; default', channelList)
    .option('--json', 'the result as JSON')
    .action((kind: string, channels: Channels, options: Json) => change(options, () => ringsBy(kind, channels)));
  preferences
    .command('digest')
    .description('What is not urgent is gathered and told together.')
    .argument('<minutes>', 'every so many minutes; or "off"', digestMinutes)
    .option('--json', 'the result as JSON')
    .action((minutes: number, options: Json) => change(options, () => ({ digestMinutes: minutes })));
}

async function patched(context: Context, json: boolean, patch: (now: Preferences) => PreferencesPatch): Promise<void> {
  const work = async (hub: OperatorClient): Promise<Preferences> =>
    hub.patchPreferences(patch(await hub.preferences()));
  print(context, await asOperator(context, work), json);
}

function muted({ mutes }: Preferences, pattern: string, ms: number | undefined, now: number): PreferencesPatch {
  const until = ms === undefined ? {} : { until: isoTime(now + ms) };
  if (pattern === EVERYTHING && ms !== undefined) return { muteUntil: isoTime(now + ms) };
  const one = pattern === EVERYTHING ? '**' : pattern;
  return { mutes: [...mutes.filter((mute) => mute.pattern !== one), { pattern: one, ...until }] };
}

function ringsBy(kind: string, channels: Channels): PreferencesPatch {
  const kinds = kind === EVERYTHING ? NoticeKind.options : NoticeKind.options.filter((one) => one === kind);
  const of = (one: NoticeKind): NoticeChannel[] => [...(channels === 'default' ? DEFAULT_CHANNELS[one] : channels)];
  return { channels: Object.fromEntries(kinds.map((one) => [one, of(one)])) };
}

// ── what is typed ────────────────────────────────────────────────────────────────────────────────────────────────────────

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

export function duration(text: string): number {
  const found = /^(\d{1,4})\s*(m|h|d)(?:in|ours?|ays?)?$/.exec(text.trim());
  const ms = Number(found?.[1] ?? 0) * (UNITS[found?.[2] ?? ''] ?? 0);
  if (ms === 0) throw new InvalidArgumentError('Write it like 30m, 2h or 3d.');
  return ms;
}

interface QuietTimes {
  readonly from: string;
  readonly to: string;
}

export function quietTimes(text: string): QuietTimes | 'off' {
  if (text === 'off') return 'off';
  const found = /^(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})$/.exec(text);
  const clock = (time: string | undefined): string | undefined =>
    /^([01]\d|2[0-3]):[0-5]\d$/.exec((time ?? '').padStart(5, '0'))?.[0];
  const [from, to] = [clock(found?.[1]), clock(found?.[2])];
  if (from === undefined || to === undefined || from === to)
    throw new InvalidArgumentError('Write two times of day, like 22:00-07:00; or off.');
  return { from, to };
}

function timeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new InvalidArgumentError('Write it like Europe/Paris.');
  }
}

function zoneHere(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone;
}

export function channelList(text: string): Channels {
  if (text === 'default') return 'default';
  if (text === 'none') return [];
  const words = text.split(',').map((word) => NoticeChannel.safeParse(word.trim()));
  const channels = words.flatMap(({ data }) => data ?? []);
  if (channels.length < words.length)
    throw new InvalidArgumentError('Channels are telegram and push; or none, or default.');
  return [...new Set(channels)];
}

function digestMinutes(text: string): number {
  if (text === 'off') return 0;
  const minutes = Number(text);
  if (!/^\d{1,4}$/.test(text) || minutes < 1 || minutes > 24 * 60)
    throw new InvalidArgumentError('It must be a whole number from 1 to 1440, or off.');
  return minutes;
}

// ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────────

function print({ io }: Context, preferences: Preferences, json: boolean): void {
  if (json) {
    printJson(io, preferences);
    return;
  }
  const { muteUntil, mutes, quiet, digestMinutes: minutes, channels } = preferences;
  const style = styleFor(io.colour);
  const line = (name: string, text: string): string => `${style.dim(name.padEnd(8))} ${text}\n`;
  const now = io.now();
  if (muteUntil !== undefined && Date.parse(muteUntil) > now)
    io.out(line('muted', style.yellow(`everything; rings again ${relative(muteUntil, now)}`)));
  for (const { pattern, until } of mutes) {
    const end = until === undefined ? 'until you unmute it' : `rings again ${relative(until, now)}`;
    io.out(line('muted', `${safe(pattern)}, ${end}`));
  }
  io.out(
    line('quiet', quiet === undefined ? 'no quiet hours' : `${quiet.from} to ${quiet.to}, ${safe(quiet.timeZone)}`),
  );
  io.out(
    line('digest', minutes === 0 ? 'off: everything is told at once' : `every ${minutes} min, for what is not urgent`),
  );
  const rows = NoticeKind.options.map((kind) => {
    const given = channels[kind];
    const by = given ?? DEFAULT_CHANNELS[kind];
    return [
      kind.replaceAll('_', ' '),
      by.length === 0 ? 'does not ring' : by.join(', '),
      given === undefined ? '' : 'set by you',
    ];
  });
  const columns = [{ title: 'KIND' }, { title: 'RINGS IN' }, { title: '', paint: style.dim }];
  io.out(`\n${table(columns, rows, io.columns, style)}`);
}
