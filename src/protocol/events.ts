/**
 * The hub's event log: what every surface is drawn from. Numbered without gaps, append-only; each event carries the whole thing that
 * changed, so that a surface only ever replaces. A stream resumes after `epoch:seq`; a number that is gone is answered with `gap`.
 */
import { z } from 'zod';
import { Approval, Grant, Machine, Message, Project, Session, SystemNotice, Thread, Time, TraceStep } from './model.ts';
import { MachineId } from './address.ts';
import { Announcement, UsageReport, Wait } from './attention.ts';
import { Mission, MissionLogEntry } from './mission.ts';
import { MissionId } from './ids.ts';

const base = { seq: z.number().int().positive(), at: Time };

export const HubEvent = z.discriminatedUnion('type', [
  /** A message was made or moved; `step` is the newest of its trace. */
  z.object({ ...base, type: z.literal('message.changed'), message: Message, step: TraceStep, thread: Thread }),
  z.object({ ...base, type: z.literal('approval.changed'), approval: Approval }),
  z.object({ ...base, type: z.literal('machine.changed'), machine: Machine }),
  z.object({ ...base, type: z.literal('machine.removed'), machineId: MachineId }),
  /** The whole list of a machine's projects. */
  z.object({ ...base, type: z.literal('projects.changed'), machineId: MachineId, projects: z.array(Project) }),
  z.object({ ...base, type: z.literal('session.changed'), machineId: MachineId, session: Session }),
  z.object({ ...base, type: z.literal('grant.changed'), grant: Grant }),
  /** policies.yml was read again, or could not be (`fault` set; the older rules go on). */
  z.object({ ...base, type: z.literal('policy.changed'), rules: z.number().int(), fault: z.string().optional() }),
  z.object({ ...base, type: z.literal('system.notice'), notice: SystemNotice }),
  z.object({ ...base, type: z.literal('mission.changed'), mission: Mission }),
  /** A session began or ceased to wait. */
  z.object({ ...base, type: z.literal('wait.changed'), wait: Wait }),
  z.object({ ...base, type: z.literal('usage.changed'), machineId: MachineId, usage: UsageReport }),
  z.object({ ...base, type: z.literal('announcement'), announcement: Announcement }),
  /** New entries of a mission's log, in order. */
  z.object({ ...base, type: z.literal('mission.log'), missionId: MissionId, entries: z.array(MissionLogEntry) }),
]);
export type HubEvent = z.infer<typeof HubEvent>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** An event before the log gave it its number and time. */
export type NewHubEvent = DistributiveOmit<HubEvent, 'seq' | 'at'>;

/** Frames of the event stream, hub to client. The first frame is always `hello`. */
export const StreamFrame = z.discriminatedUnion('frame', [
  /** resumed: the events after the asked number follow · fresh: start from a snapshot · gap: the number is gone, fetch a snapshot. */
  z.object({
    frame: z.literal('hello'),
    mode: z.enum(['fresh', 'resumed', 'gap']),
    epoch: z.string(),
    seq: z.number().int(),
  }),
  z.object({ frame: z.literal('event'), event: HubEvent }),
  /** Every 20 s; a client that hears nothing for 50 s reconnects. */
  z.object({ frame: z.literal('ping'), seq: z.number().int() }),
]);
export type StreamFrame = z.infer<typeof StreamFrame>;
/** Frames of the event stream, client to hub. */
export const ClientFrame = z.discriminatedUnion('frame', [
  z.object({ frame: z.literal('pong') }),
  /** Whether a person looks at this client now; told when it changes. A client that never said so is not looked at. */
  z.object({ frame: z.literal('looking'), looking: z.boolean() }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;
