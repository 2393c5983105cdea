/** Missions, the same for a person (through the hub) and for an agent (through its daemon, which sees only what its machine asked for or runs). */
import type { z } from 'zod';
import { newId } from '../../protocol/ids.ts';
import type { MissionsPage } from '../../protocol/machine-api.ts';
import { MissionState } from '../../protocol/mission-life.ts';
import type { Mission, MissionLogPage } from '../../protocol/mission.ts';
import type { OperatorMission } from '../../protocol/operator-api.ts';
import type { Context } from '../io.ts';
import { asAgent, asOperator } from './connect.ts';
import type { HubAccess } from './operator-client.ts';

export interface MissionChannel {
  readonly list: (page: {
    readonly limit: number;
    readonly state: string | undefined;
    readonly before: string | undefined;
  }) => Promise<z.infer<typeof MissionsPage>>;
  readonly start: (start: z.input<typeof OperatorMission>) => Promise<Mission>;
  readonly mission: (
    id: string,
    wait?: { readonly seconds: number; readonly unless: readonly MissionState[] },
  ) => Promise<Mission>;
  readonly log: (id: string, page: { readonly after: number; readonly limit: number }) => Promise<MissionLogPage>;
  readonly cancel: (id: string, reason: string | undefined) => Promise<Mission>;
  /** The event stream, and its place now: only a person has one. */
  readonly access: HubAccess | undefined;
  readonly place: (() => Promise<string>) | undefined;
}

export async function withMissions<T>(context: Context, work: (channel: MissionChannel) => Promise<T>): Promise<T> {
  const agent = asAgent(context);
  const { signal } = context.io;
  if (agent === undefined) {
    return asOperator(context, (hub) =>
      work({
        list: (page) => hub.missions(page),
        start: (start) => hub.startMission(start),
        mission: (id, wait) => hub.mission(id, wait === undefined ? undefined : { ...wait, signal }),
        log: (id, page) => hub.missionLog(id, page),
        cancel: (id, reason) => hub.moveMission(id, 'cancel', reason === undefined ? {} : { reason }),
        access: hub.access,
        place: async () => {
          const { epoch, seq } = await hub.status();
          return `${epoch}:${seq}`;
        },
      }),
    );
  }
  const { daemon } = agent;
  return work({
    list: async ({ limit, state }) => {
      const { missions, more } = await daemon.missions(limit);
      const fits = (mission: Mission): boolean => stateFits(mission.state, state);
      return { missions: missions.filter(fits), more };
    },
    start: (start) =>
      daemon.startMission({ ...start, idempotencyKey: start.idempotencyKey ?? newId('mission') }, signal),
    mission: (id, wait) => daemon.mission(id, wait === undefined ? undefined : { ...wait, signal }),
    log: (id, page) => daemon.missionLog(id, page),
    cancel: (id, reason) => daemon.cancelMission(id, reason),
    access: undefined,
    place: undefined,
  });
}

const OVER: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'timed_out', 'denied', 'lost']);

function stateFits(state: MissionState, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  if (wanted === 'live') return !OVER.has(state);
  return wanted === 'over' ? OVER.has(state) : MissionState.safeParse(wanted).data === state;
}
