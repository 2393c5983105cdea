/**
 * Waiting for a decision or an answer, in slices that no proxy or client times out, with signs of life in between. A daemon that
 * restarts meanwhile is waited for. Giving up waiting never takes the message back.
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

/** Waits up to `seconds`; the newest status that was learned comes back, settled or not. */
export async function waitFor(
  call: ToolCall,
  first: LocalMessageStatus,
  what: WaitFor,
  seconds: number,
): Promise<LocalMessageStatus> {
  const start = call.now();
  let status = first;
  while (!isSettled(status, what)) {
    const elapsed = (call.now() - start) / 1000;
    const left = seconds - elapsed;
    if (left <= 0 || call.signal.aborted) break;
    call.progress(Math.round(elapsed), seconds, `${status.id}: ${stateSentence(status)}`);
    const slice = Math.min(LONG_POLL_MAX_SECONDS, Math.ceil(left));
    const before = call.now();
    status = await nextStatus(call, status, what, slice);
    // An answer long before its time without any news: do not turn that into a storm of calls.
    const early = call.now() - before < (slice * 1000) / 2;
    if (early && !isSettled(status, what)) await call.pause(Math.min(1000, left * 1000));
  }
  return status;
}

async function nextStatus(
  call: ToolCall,
  status: LocalMessageStatus,
  what: WaitFor,
  seconds: number,
): Promise<LocalMessageStatus> {
  try {
    return await call.client.message(status.id, { seconds, for: what, signal: call.signal });
  } catch (error) {
    if (error instanceof IntercomError && (error.retry || call.signal.aborted)) return status;
    throw error;
  }
}
