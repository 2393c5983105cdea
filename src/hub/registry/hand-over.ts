/**
 * Secrets on their way: the next one to a daemon, and the word that a machine was put out.
 *
 * Invariants: the old secret is given up only after the daemon is known to have the new one, and still opens for a minute, because requests
 * that were signed with it are under way; one hand-over per machine at a time; what fails is tried again when the machine is heard from.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { changeMachine, machineById } from '../store/machines.ts';
import type { MachineRow } from '../store/schema.ts';
import { handOverSecret, sayRevoked } from './doors.ts';

/** Requests that were signed with the old secret just before a rotation still arrive. */
const OLD_SECRET_MS = 60_000;

export interface HandOverParts {
  readonly store: HubStore;
  readonly clock: Clock;
  readonly log: Log;
  /** The row as the hub has it in memory. */
  readonly rowOf: (machineId: string) => MachineRow | undefined;
  /** The row is another one now, in this transaction. */
  readonly changed: (transaction: HubTransaction, machineId: string) => Promise<unknown>;
}

export class HandOver {
  readonly #parts: HandOverParts;
  readonly #oldSecrets = new Map<string, string>();
  readonly #rotating = new Set<string>();

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** The secret that was given up less than a minute ago. */
  oldSecretOf(machineId: string): string | undefined {
    return this.#oldSecrets.get(machineId);
  }

  /** Its old secret is worthless from now on. */
  forget(machineId: string): void {
    this.#oldSecrets.delete(machineId);
  }

  /** Brings the next secret, if there is one, to the daemon; from then on it is the only one. */
  async next(id: string): Promise<void> {
    const { store, clock, log, rowOf, changed } = this.#parts;
    const row = rowOf(id);
    const next = row?.next_secret ?? undefined;
    if (row === undefined || next === undefined || row.revoked_at !== null || this.#rotating.has(id)) return;
    this.#rotating.add(id);
    try {
      await handOverSecret({ machineId: id, url: row.daemon_url, secret: row.secret }, next, () => clock.now());
      await store.write(async (transaction) => {
        const now = await machineById(transaction.db, id);
        if (now?.next_secret !== next) return;
        await changeMachine(transaction.db, id, { secret: next, next_secret: null });
        await changed(transaction, id);
        transaction.afterCommit(() => this.#keepOld(id, row.secret));
      });
    } catch (error) {
      log.warn({ err: error, machine: id }, 'the new secret waits until the machine can be reached');
    } finally {
      this.#rotating.delete(id);
    }
  }

  /** Tells the daemon of a machine that was put out; it learns it with its next request anyway. */
  async sayRevoked(row: MachineRow): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      await sayRevoked({ machineId: row.id, url: row.daemon_url, secret: row.secret }, () => clock.now());
    } catch (error) {
      log.info(
        { err: error, machine: row.id },
        'a revoked machine was not reached; it learns it with its next request',
      );
    }
  }

  #keepOld(id: string, secret: string): void {
    this.#oldSecrets.set(id, secret);
    this.#parts.clock.after(OLD_SECRET_MS, () => {
      if (this.#oldSecrets.get(id) === secret) this.#oldSecrets.delete(id);
    });
  }
}
