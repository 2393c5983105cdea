/**
 * Joining: a machine asks, a person compares the code and decides, and the secret reaches only the one who asked, once.
 *
 * Invariants: the secret is made when a person allows, in the same transaction as the decision and the machine's row, and is kept here only
 * sealed to the joiner's key; it leaves once, to whoever shows the claim key. Denied, expired and already claimed are answers. Pending requests
 * live in the store and so survive a restart. Requests are limited by caller, by machine id and in all.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Waiters } from '../../platform/waiters.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import { joinCode, type JoinAccepted, type JoinRequest, type JoinState } from '../../protocol/join.ts';
import { LONG_POLL_MAX_SECONDS, PROTOCOL_VERSION } from '../../protocol/limits.ts';
import type { Decision, JoinSubject } from '../../protocol/model.ts';
import { claimHashOf, sealForJoin } from '../../protocol/sealing.ts';
import { RateLimit } from '../../platform/rate-limit.ts';
import type { ApprovalHandler } from '../approvals/approvals.ts';
import type { Joins } from '../services.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import {
  deleteOldJoins,
  insertJoin,
  joinOf,
  joinOfApproval,
  moveJoin,
  pendingJoins,
  setJoinApproval,
  type JoinRow,
} from '../store/joins.ts';
import { checkedDaemonUrl, plainIp } from './daemon-url.ts';

const PENDING_MAX = 20;
const PENDING_PER_MACHINE = 3;
const WAITING_MAX = 100;
/** How long an answered request can still be asked about, and an allowed one be fetched. */
const KEEP_MS = 24 * 3600 * 1000;

const Sealed = z.object({ hubPublicKey: z.string(), nonce: z.string(), sealed: z.string() });

/** What joining needs of its neighbours; each call is part of the transaction that it is given. */
export interface JoinNeeds {
  /** Asks a person. */
  readonly ask: (
    transaction: HubTransaction,
    subject: JoinSubject,
    expiresAt: number,
  ) => Promise<{ readonly id: string }>;
  /** There is a machine of this id, revoked or not. */
  readonly isKnown: (transaction: HubTransaction, machineId: string) => Promise<boolean>;
  /** Makes the machine a member with this secret, or gives it this secret and address. */
  readonly admit: (transaction: HubTransaction, machine: AdmittedMachine) => Promise<void>;
}

export interface AdmittedMachine {
  readonly id: string;
  readonly displayName: string;
  readonly daemonUrl: string;
  readonly secret: string;
}

export interface JoinOptions {
  readonly store: HubStore;
  readonly clock: Clock;
  readonly needs: JoinNeeds;
  readonly expirySeconds: number;
  readonly allowAnyDaemonUrl: boolean;
}

export class StoredJoins implements Joins {
  readonly #options: JoinOptions;
  readonly #waiters: Waiters<true>;
  readonly #requests: RateLimit;
  readonly #claims: RateLimit;
  #waiting = 0;

  constructor(options: JoinOptions) {
    this.#options = options;
    const { clock } = options;
    this.#waiters = new Waiters(clock);
    this.#requests = new RateLimit({ clock, perCaller: 10, total: 60, what: 'join requests' });
    this.#claims = new RateLimit({ clock, perCaller: 90, total: 900, what: 'questions about join requests' });
  }

  async request(request: JoinRequest, ip: string): Promise<JoinAccepted> {
    const caller = plainIp(ip);
    this.#requests.take(caller);
    if (request.protocol !== PROTOCOL_VERSION) throw otherProtocol(request.protocol);
    const daemonUrl = checkedDaemonUrl(request.daemonUrl, { ip, allowAny: this.#options.allowAnyDaemonUrl });
    const joinId = newId('join');
    const facts = { joinId, machineId: request.machineId, publicKey: request.publicKey };
    // A key that nothing can be sealed to is said now, not after a person has allowed it.
    sealForJoin('probe', facts);
    const code = joinCode(joinId, request.machineId, request.publicKey);
    const now = this.#options.clock.now();
    const expires = now + this.#options.expirySeconds * 1000;
    await this.#options.store.write(async (transaction) => {
      const { db } = transaction;
      await deleteOldJoins(db, now - KEEP_MS);
      const pending = await pendingJoins(db, request.machineId, now);
      if (pending.all >= PENDING_MAX || pending.same >= PENDING_PER_MACHINE) throw tooManyPending();
      await insertJoin(db, {
        id: joinId,
        machine_id: request.machineId,
        display_name: request.displayName,
        daemon_url: daemonUrl,
        ip: caller,
        public_key: request.publicKey,
        claim_hash: request.claimHash,
        code,
        state: 'pending',
        approval_id: null,
        decided_by: null,
        reason: null,
        sealed: null,
        created_at: now,
        expires_at: expires,
      });
      const subject: JoinSubject = {
        kind: 'join',
        machineId: request.machineId,
        displayName: request.displayName,
        ip: caller,
        daemonUrl,
        code,
        replaces: await this.#options.needs.isKnown(transaction, request.machineId),
      };
      const approval = await this.#options.needs.ask(transaction, subject, expires);
      await setJoinApproval(db, joinId, approval.id);
    });
    return { joinId, code, expiresAt: isoTime(expires) };
  }

  async claim(joinId: string, claimKey: string, waitMs: number, signal: AbortSignal, ip: string): Promise<JoinState> {
    this.#claims.take(plainIp(ip));
    const state = await this.#claimNow(joinId, claimKey);
    const wait = Math.min(waitMs, LONG_POLL_MAX_SECONDS * 1000);
    if (state.state !== 'pending' || wait <= 0) return state;
    if (this.#waiting >= WAITING_MAX) return state;
    this.#waiting += 1;
    try {
      await this.#waiters.next(joinId, wait, signal);
    } finally {
      this.#waiting -= 1;
    }
    // Who has gone away must not be handed the secret: it would be lost on the way.
    return signal.aborted ? state : this.#claimNow(joinId, claimKey);
  }

  /** What happens with approvals of the kind `join`; their decisions belong to owners. */
  get handler(): ApprovalHandler {
    return {
      role: 'owner',
      onDecided: (transaction, approval, decision) => this.#decided(transaction, approval.id, decision),
      onExpired: (transaction, approval) => this.#decided(transaction, approval.id, undefined),
    };
  }

  async #decided(transaction: HubTransaction, approvalId: string, decision: Decision | undefined): Promise<void> {
    const row = await joinOfApproval(transaction.db, approvalId);
    if (row === undefined) return;
    if (decision?.verdict === 'allow') await this.#allow(transaction, row, decision.by);
    else if (decision?.verdict === 'deny') {
      const reason = decision.reason ?? null;
      await moveJoin(transaction.db, row.id, 'pending', { state: 'denied', decided_by: decision.by, reason });
    } else {
      await moveJoin(transaction.db, row.id, 'pending', { state: 'expired' });
    }
    transaction.afterCommit(() => this.#waiters.tell(row.id, true));
  }

  async #allow(transaction: HubTransaction, row: JoinRow, by: string): Promise<void> {
    const secret = newMachineSecret();
    const facts = { joinId: row.id, machineId: row.machine_id, publicKey: row.public_key };
    const sealed = JSON.stringify(sealForJoin(secret, facts));
    const moved = await moveJoin(transaction.db, row.id, 'pending', { state: 'approved', decided_by: by, sealed });
    if (!moved) return;
    await this.#options.needs.admit(transaction, {
      id: row.machine_id,
      displayName: row.display_name,
      daemonUrl: row.daemon_url,
      secret,
    });
  }

  async #claimNow(joinId: string, claimKey: string): Promise<JoinState> {
    const { store, clock } = this.#options;
    const row = await store.read((db) => joinOf(db, joinId));
    if (row === undefined) throw unknownJoin();
    const given = Buffer.from(claimHashOf(claimKey));
    const kept = Buffer.from(row.claim_hash);
    if (given.length !== kept.length || !timingSafeEqual(given, kept)) {
      throw new IntercomError('forbidden', 'This join request was made by somebody else.', {
        next: 'Run `intercom join` to make your own.',
      });
    }
    switch (row.state) {
      case 'pending':
        if (row.expires_at <= clock.now()) return { state: 'expired' };
        return { state: 'pending', expiresAt: isoTime(row.expires_at) };
      case 'denied':
        return {
          state: 'denied',
          by: row.decided_by ?? 'an operator',
          ...(row.reason === null ? {} : { reason: row.reason }),
        };
      case 'expired':
        return { state: 'expired' };
      case 'claimed':
        return { state: 'claimed' };
      case 'approved':
        return this.#handOut(row);
    }
  }

  async #handOut(row: JoinRow): Promise<JoinState> {
    const mine = await this.#options.store.write(({ db }) =>
      moveJoin(db, row.id, 'approved', { state: 'claimed', sealed: null }),
    );
    if (!mine || row.sealed === null) return { state: 'claimed' };
    const sealed = Sealed.parse(JSON.parse(row.sealed));
    return { state: 'approved', machineId: row.machine_id, ...sealed, approvedBy: row.decided_by ?? 'an operator' };
  }
}

/** `ict_` and 32 random bytes in base64url. */
export function newMachineSecret(): string {
  return `ict_${randomBytes(32).toString('base64url')}`;
}

function otherProtocol(given: number): IntercomError {
  const older = given < PROTOCOL_VERSION ? 'this machine' : 'the hub';
  return new IntercomError(
    'unsupported_version',
    `This hub speaks protocol ${PROTOCOL_VERSION}; the request came with ${given}.`,
    { field: 'protocol', next: `Upgrade intercom on ${older}, then join again.` },
  );
}

function tooManyPending(): IntercomError {
  return new IntercomError('limit_reached', 'Too many join requests wait for a decision.', {
    next: 'Ask an operator to decide them (`intercom machines list`), or wait until they expire.',
  });
}

function unknownJoin(): IntercomError {
  return new IntercomError('unknown_join', 'There is no such join request here, or it is long over.', {
    next: 'Run `intercom join` again.',
  });
}
