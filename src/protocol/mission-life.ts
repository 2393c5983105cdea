/**
 * A mission's life: its states and the moves between them. Hub and daemon move missions only along this table, by compare-and-set, so that
 * no state is overstated and none lasts for ever.
 */
import { z } from 'zod';

/**
 * - queued: accepted; waits for its machine, or there for its turn (`position`)
 * - awaiting_approval: waits for an operator
 * - starting: the machine prepares and starts the agent
 * - running: the agent works
 * - waiting_human: the agent asks its person something (a permission, a question)
 * - rate_limited: the model's provider refuses until `resetAt`; goes on by itself then
 * - paused: stopped by a person, its conversation kept; `resume` goes on with it
 * - completed, failed, cancelled, timed_out: ends of a run · denied: no run ever began
 * - lost: the agent is gone and nobody saw how it ended
 */
export const MISSION_STATES = [
  'queued',
  'awaiting_approval',
  'starting',
  'running',
  'waiting_human',
  'rate_limited',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
  'denied',
  'lost',
] as const;
export const MissionState = z.enum(MISSION_STATES);
export type MissionState = z.infer<typeof MissionState>;

const ENDS = ['completed', 'failed', 'cancelled', 'timed_out', 'lost'] as const;
const LIVE = ['running', 'waiting_human', 'rate_limited', 'paused'] as const;

const MOVES: Readonly<Record<MissionState, readonly MissionState[]>> = {
  queued: ['awaiting_approval', 'starting', ...LIVE, ...ENDS, 'denied'],
  awaiting_approval: ['queued', 'denied', 'cancelled'],
  starting: [...LIVE, ...ENDS],
  running: ['waiting_human', 'rate_limited', 'paused', ...ENDS],
  waiting_human: ['running', 'rate_limited', 'paused', ...ENDS],
  rate_limited: ['queued', 'starting', 'running', 'waiting_human', 'paused', ...ENDS],
  paused: ['queued', 'starting', 'running', ...ENDS],
  // A new run of the same conversation (`resume`) begins in the queue. A run that was thought lost and reports again is true.
  completed: ['queued'],
  failed: ['queued'],
  cancelled: ['queued'],
  timed_out: ['queued'],
  denied: [],
  lost: [
    'queued',
    'running',
    'waiting_human',
    'rate_limited',
    'paused',
    'completed',
    'failed',
    'cancelled',
    'timed_out',
  ],
};

export function missionCanMove(from: MissionState, to: MissionState): boolean {
  return MOVES[from].includes(to);
}

/** The run is over; only `resume` or `rerun` brings more. */
export function missionIsOver(state: MissionState): boolean {
  return state === 'denied' || ENDS.some((end) => end === state);
}

/** An agent process may exist for it. */
export function missionIsLive(state: MissionState): boolean {
  return state === 'starting' || state === 'running' || state === 'waiting_human' || state === 'rate_limited';
}
