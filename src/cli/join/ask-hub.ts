/** The joiner's side of joining (protocol/join.ts): asks, waits for the person at the hub, opens the sealed secret. */
import { JsonClient } from '../../platform/http/client.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { JoinAccepted, joinCode, JoinState } from '../../protocol/join.ts';
import type { JoinRequest } from '../../protocol/join.ts';
import { PROTOCOL_VERSION } from '../../protocol/limits.ts';
import { newClaimKey, newJoinKeys, openJoin } from '../../protocol/sealing.ts';

export interface JoinWish {
  readonly hubUrl: string;
  readonly machineId: string;
  readonly displayName: string;
  readonly daemonUrl: string;
  readonly signal: AbortSignal;
  /** Called once with the code that the person compares. */
  readonly onCode: (code: string, expiresAt: string) => void;
  /** Called after each slice of waiting. */
  readonly onWaiting: () => void;
  /** Between tries while the hub cannot be reached. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface Joined {
  readonly secret: string;
  readonly approvedBy: string;
}

const SLICE_SECONDS = 20;
const RETRY_MS = 2_000;
const LOST_MAX = 30;

export async function askHub(wish: JoinWish): Promise<Joined> {
  const { hubUrl, machineId, displayName, daemonUrl, signal } = wish;
  const keys = newJoinKeys();
  const { claimKey, claimHash } = newClaimKey();
  const client = new JsonClient({
    origin: hubUrl,
    peer: `the hub at ${hubUrl}`,
    unreachableNext: 'Is it running, and is the address right? On its machine: `intercom status`.',
    connections: 2,
  });
  try {
    const request: JoinRequest = {
      protocol: PROTOCOL_VERSION,
      machineId,
      displayName,
      daemonUrl,
      publicKey: keys.publicKey,
      claimHash,
    };
    const { joinId, expiresAt } = await client.call(
      { method: 'POST', path: '/api/join', body: request, signal },
      JoinAccepted,
    );
    // Worked out here and not taken from the answer: only so does an equal code say that it is the same key.
    wish.onCode(joinCode(joinId, machineId, keys.publicKey), expiresAt);
    const state = await decided(wish, client, joinId, claimKey);
    if (state.machineId !== machineId) throw notThisMachine(state.machineId);
    const facts = { joinId, machineId, publicKey: keys.publicKey };
    return { secret: openJoin(keys.privateKey, facts, state), approvedBy: state.approvedBy };
  } finally {
    await client.close();
  }
}

type Approved = Extract<JoinState, { state: 'approved' }>;

async function decided(wish: JoinWish, client: JsonClient, joinId: string, claimKey: string): Promise<Approved> {
  const path = `/api/join/${encodeURIComponent(joinId)}/claim`;
  for (let lost = 0; ;) {
    try {
      const body = { claimKey, waitSeconds: SLICE_SECONDS };
      const timeoutMs = (SLICE_SECONDS + 15) * 1000;
      const state = await client.call({ method: 'POST', path, body, timeoutMs, signal: wish.signal }, JoinState);
      lost = 0;
      if (state.state === 'approved') return state;
      if (state.state !== 'pending') throw refused(state);
      wish.onWaiting();
    } catch (error) {
      // The request lives in the hub's store: a hub that restarts meanwhile is waited for.
      const passing = error instanceof IntercomError && (error.code === 'unreachable' || error.code === 'timeout');
      lost += 1;
      if (!passing || lost > LOST_MAX) throw error;
      await wish.pause(RETRY_MS);
    }
  }
}

function refused(state: Exclude<JoinState, { state: 'pending' | 'approved' }>): IntercomError {
  switch (state.state) {
    case 'denied': {
      const reason = state.reason === undefined ? '' : `: ${state.reason}`;
      return new IntercomError('denied', `${state.by} denied the request${reason}.`, {
        next: 'Ask them, then run `intercom join` again.',
      });
    }
    case 'expired':
      return new IntercomError('expired', 'Nobody decided in time; the request has ended.', {
        next: 'Run `intercom join` again.',
      });
    case 'claimed':
      return new IntercomError('conflict', 'The secret of this request was already handed out.', {
        next: 'If that was not you, revoke the machine at the hub. Then run `intercom join` again.',
      });
  }
}

function notThisMachine(id: string): IntercomError {
  return new IntercomError('bad_signature', `The hub answered for another machine (${id.slice(0, 64)}).`, {
    next: 'Run `intercom join` again.',
  });
}
