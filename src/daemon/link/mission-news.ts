/**
 * Sends the news of this machine's missions to the hub, in order, until each was taken.
 *
 * Invariants: what the hub cannot read, or never had, must not hold up the rest for ever; everything else is sent again until it is taken.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { OrderedPump } from '../../platform/ordered-pump.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { BATCH_MAX, HTTP_BODY_MAX } from '../../protocol/limits.ts';
import { MissionNews, MissionNewsResponse } from '../../protocol/mission.ts';
import type { Missions } from '../store/missions.ts';
import type { HubClient } from './hub-client.ts';
import type { HubState } from './hub-state.ts';

/** Bytes of one request; the largest single news fits twice. */
const REQUEST_BYTES = HTTP_BODY_MAX - 128 * 1024;

interface Owed {
  readonly seq: number;
  readonly mission_id: string;
  readonly news: string;
}

export interface MissionPumpOptions {
  readonly client: HubClient;
  readonly state: HubState;
  readonly missions: Missions;
  readonly clock: Clock;
  readonly log: Log;
}

export function missionPump(options: MissionPumpOptions): OrderedPump<Owed> {
  const { state, missions, clock, log } = options;
  return new OrderedPump<Owed>({
    clock,
    load: async () => (state.online ? fitting(await missions.news(BATCH_MAX)) : []),
    send: (owed) => send(options, owed),
    onFailure: (error, inARow) => {
      if (inARow === 1) log.warn({ err: error }, 'the hub did not take the news of missions');
    },
    longestDelayMs: 5_000,
  });
}

async function send(options: MissionPumpOptions, owed: readonly Owed[]): Promise<void> {
  const { client, missions, log } = options;
  const last = owed.at(-1);
  if (last === undefined) return;
  // What this version wrote it can read; another version may have written the rest.
  const items = owed.flatMap(({ news, mission_id: mission }) => {
    const parsed = MissionNews.safeParse(JSON.parse(news));
    if (!parsed.success)
      log.error({ err: parsed.error, mission }, 'news of a mission cannot be read; they are dropped');
    return parsed.success ? [parsed.data] : [];
  });
  try {
    if (items.length > 0) {
      const body = { items };
      const answer = await client.call(
        { method: 'POST', path: '/api/machine/missions/news', body },
        MissionNewsResponse,
      );
      const unknown = items.filter((_, index) => answer.results[index] === 'unknown_mission');
      for (const mission of new Set(unknown.map(({ missionId }) => missionId)))
        log.warn({ mission }, 'the hub does not know this mission; the news of it are dropped');
    }
  } catch (thrown) {
    const error = toIntercomError(thrown);
    if (error.code !== 'invalid_request' && error.code !== 'too_large') throw error;
    if (owed.length > 1) {
      for (const one of owed) await send(options, [one]);
      return;
    }
    log.error({ err: error, mission: last.mission_id }, 'the hub cannot read news of a mission; they are dropped');
  }
  await missions.taken(last.seq);
}

/** As many as fit into one request, at least one. */
function fitting(owed: readonly Owed[]): Owed[] {
  let bytes = 0;
  const fits: Owed[] = [];
  for (const one of owed) {
    bytes += Buffer.byteLength(one.news) + 1;
    if (fits.length > 0 && bytes > REQUEST_BYTES) break;
    fits.push(one);
  }
  return fits;
}
