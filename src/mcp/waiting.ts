/**
 * Waiting for a decision, an answer or an end, in slices that no proxy or client times out, with signs of life in between. A daemon that
 * restarts meanwhile is waited for. Giving up waiting never takes anything back.
 */
import { IntercomError } from '../protocol/errors.ts';
import { LONG_POLL_MAX_SECONDS } from '../protocol/limits.ts';
import type { LocalMessageStatus, WaitFor } from '../protocol/local-api.ts';
import { isEnded } from '../protocol/message-life.ts';
import type { ToolCall } from './tool.ts';
import { stateSentence } from './words.ts';

export function isSettled(status: LocalMessageStatus, what: WaitFor): boolean {
  if (what === 'decision') return status.state !== 'submitted' && status.state !== 'held';
  return status.answer !== undefined || isEnded(status.state);
}

/** What is waited for, whatever it is. */
export interface Waited<T> {
  readonly isSettled: (state: T) => boolean;
  /** Where it is, for whoever looks at the call meanwhile. */
  readonly words: (state: T) => string;
  /** The next state, after at most so many seconds. */
  readonly next: (state: T, seconds: number) => Promise<T>;
}

/** Waits up to `seconds`; the newest state that was learned comes back, settled or not. */
export async function patiently<T>(call: ToolCall, first: T, seconds: number, waited: Waited<T>): Promise<T> {
  const { isSettled: isOver, words, next } = waited;
  const start = call.now();
  let state = first;
  while (!isOver(state)) {
    const elapsed = (call.now() - start) / 1000;
    const left = seconds - elapsed;
    if (left <= 0 || call.signal.aborted) break;
    call.progress(Math.round(elapsed), seconds, words(state));
    const slice = Math.min(LONG_POLL_MAX_SECONDS, Math.ceil(left));
    const before = call.now();
    state = await nextOf(call, state, slice, next);
    // An answer long before its time without any news: do not turn that into a storm of calls.
    const early = call.now() - before < (slice * 1000) / 2;
    if (early && !isOver(state)) await call.pause(Math.min(1000, left * 1000));
  }
  return state;
}

async function nextOf<T>(call: ToolCall, state: T, seconds: number, next: Waited<T>['next']): Promise<T> {
  try {
    return await next(state, seconds);
  } catch (error) {
    if (error instanceof IntercomError && (error.retry || call.signal.aborted)) return state;
    throw error;
  }
}

export function waitFor(
  call: ToolCall,
  first: LocalMessageStatus,
  what: WaitFor,
  seconds: number,
): Promise<LocalMessageStatus> {
  return patiently(call, first, seconds, {
    isSettled: (status) => isSettled(status, what),
    words: (status) => `${status.id}: ${stateSentence(status)}`,
    next: ({ id }, slice) => call.client.message(id, { seconds: slice, for: what, signal: call.signal }),
  });
}
