/**
 * A message's life: its states and the moves between them. Hub and daemon both move messages only along this table, by
 * compare-and-set, so that a state is never overstated and never runs backwards.
 */
import { z } from 'zod';

/**
 * - submitted: accepted and stored, nothing decided yet (at the sender's machine while the hub is away)
 * - held: waits for an operator
 * - queued: allowed; waits for the recipient's machine
 * - dispatched: stored by the recipient's daemon; waits for a session or a good moment
 * - written: handed to the agent's inbox or hook; not yet proven
 * - held_at_terminal: the agent itself asks its person at the terminal first
 * - delivered: it entered the conversation, with proof
 * - seen: the turn that held it ended
 * - answered: a reply to it was accepted
 * - denied, expired, cancelled, failed: ends, each with a reason
 */
export const MESSAGE_STATES = [
  'submitted',
  'held',
  'queued',
  'dispatched',
  'written',
  'held_at_terminal',
  'delivered',
  'seen',
  'answered',
  'denied',
  'expired',
  'cancelled',
  'failed',
] as const;
export const MessageState = z.enum(MESSAGE_STATES);
export type MessageState = z.infer<typeof MessageState>;

const MOVES: Readonly<Record<MessageState, readonly MessageState[]>> = {
  submitted: ['held', 'queued', 'denied', 'expired', 'cancelled', 'failed'],
  held: ['queued', 'denied', 'expired', 'cancelled', 'failed'],
  queued: [
    'dispatched',
    'written',
    'held_at_terminal',
    'delivered',
    'seen',
    'answered',
    'expired',
    'cancelled',
    'failed',
  ],
  dispatched: [
    'written',
    'held_at_terminal',
    'delivered',
    'seen',
    'answered',
    'denied',
    'expired',
    'cancelled',
    'failed',
  ],
  // Back to dispatched: the proof did not come and the agent's own record shows that it never arrived, so another way is tried.
  written: [
    'dispatched',
    'held_at_terminal',
    'delivered',
    'seen',
    'answered',
    'denied',
    'expired',
    'cancelled',
    'failed',
  ],
  held_at_terminal: ['dispatched', 'delivered', 'seen', 'answered', 'denied', 'expired', 'cancelled', 'failed'],
  delivered: ['seen', 'answered'],
  seen: ['answered'],
  answered: [],
  denied: [],
  expired: [],
  cancelled: [],
  failed: [],
};

export function canMove(from: MessageState, to: MessageState): boolean {
  return MOVES[from].includes(to);
}

/** The states from which `to` can be reached in one move. */
export function statesBefore(to: MessageState): MessageState[] {
  return MESSAGE_STATES.filter((from) => canMove(from, to));
}

/** Nothing more will happen to it, but for `delivered` and `seen`, which a reply may still answer. */
export function isEnded(state: MessageState): boolean {
  return MOVES[state].length === 0;
}

/** The recipient has it. */
export function hasArrived(state: MessageState): boolean {
  return state === 'delivered' || state === 'seen' || state === 'answered';
}

/** It is over and did not arrive. */
export function hasFailed(state: MessageState): boolean {
  return state === 'denied' || state === 'expired' || state === 'cancelled' || state === 'failed';
}
