/**
 * What operators prefer: read and changed by themselves, and held in memory, because every notice asks.
 *
 * Invariants: a change names what it changes; what is stored is valid (the time zone exists, the patterns of mutes can be read), so nobody who reads it needs to
 * doubt it; the memory is as the store is.
 */
import type { Clock } from '../../platform/clock.ts';
import { Preferences, type PreferencesPatch } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { parseGlob } from '../approvals/policy-glob.ts';
import type { HubStore } from '../store/hub-store.ts';
import { allPreferences, preferencesOf, savePreferences } from '../store/preferences.ts';
import { isTimeZone } from './quiet-hours.ts';

export class OperatorPreferences {
  readonly #store: HubStore;
  readonly #clock: Clock;
  readonly #known = new Map<string, Preferences>();

  constructor(store: HubStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async start(): Promise<void> {
    for (const [operator, preferences] of await this.#store.read(allPreferences))
      this.#known.set(operator, preferences);
  }

  of(operator: string): Preferences {
    return this.#known.get(operator) ?? DEFAULT;
  }

  async change(operator: string, patch: PreferencesPatch): Promise<Preferences> {
    check(patch);
    return this.#store.write(async (transaction) => {
      const before = await preferencesOf(transaction.db, operator);
      const after = patched(before, patch, this.#clock.now());
      await savePreferences(transaction.db, operator, after);
      transaction.afterCommit(() => void this.#known.set(operator, after));
      return after;
    });
  }
}

const DEFAULT = Preferences.parse({});

/** The preferences with this change; mutes that are over are dropped on the way. */
export function patched(before: Preferences, patch: PreferencesPatch, now: number): Preferences {
  const { muteUntil, quiet, ...rest } = before;
  const until = patch.muteUntil === undefined ? muteUntil : (patch.muteUntil ?? undefined);
  const hours = patch.quiet === undefined ? quiet : (patch.quiet ?? undefined);
  return {
    channels: { ...rest.channels, ...patch.channels },
    mutes: (patch.mutes ?? rest.mutes).filter((mute) => mute.until === undefined || Date.parse(mute.until) > now),
    digestMinutes: patch.digestMinutes ?? rest.digestMinutes,
    ...(until === undefined ? {} : { muteUntil: until }),
    ...(hours === undefined ? {} : { quiet: hours }),
  };
}

function check({ quiet, mutes }: PreferencesPatch): void {
  if (quiet !== undefined && quiet !== null && !isTimeZone(quiet.timeZone)) {
    throw new IntercomError('invalid_request', `There is no time zone "${quiet.timeZone}".`, {
      field: 'quiet.timeZone',
      next: 'Give a name like Europe/Paris or UTC.',
    });
  }
  for (const [index, { pattern }] of (mutes ?? []).entries()) {
    const read = parseGlob(pattern);
    if (!('fault' in read)) continue;
    throw new IntercomError('invalid_request', `"${pattern}" is not a pattern for agents: ${read.fault}.`, {
      field: `mutes.${index}.pattern`,
      next: 'Write machine/project; * stands for anything within a part, ** for any number of parts.',
    });
  }
}
