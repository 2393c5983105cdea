/**
 * The registry: machines, their projects and their sessions, as their daemons tell them.
 *
 * Invariants: only a machine that joined exists (nothing a daemon says makes one); a revoked machine's secret is worthless from the commit on, and
 * no heartbeat brings it back; a change names what it changes, everything else stays; what a machine that is away last said is kept and shown as of then.
 * Secrets are answered from memory, because every request asks.
 */
import type { z } from 'zod';
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { AWAY_AFTER_SECONDS, HEARTBEAT_SECONDS, PROTOCOL_VERSION } from '../../protocol/limits.ts';
import type { HelloRequest, HelloResponse } from '../../protocol/machine-api.ts';
import type { Agent, Machine, MachineStatus, Project, Session } from '../../protocol/model.ts';
import type { EventAppender } from '../events.ts';
import { newMachineSecret } from '../joins/joins.ts';
import type { MachineDirectory } from '../messaging/context.ts';
import type { DaemonDoor } from '../messaging/dispatch.ts';
import type { Actor, Registry } from '../services.ts';
import type { HubDb, HubStore, HubTransaction } from '../store/hub-store.ts';
import {
  admitMachine,
  allMachines,
  changeMachine,
  deleteMachine,
  machineById,
  projectsOf,
  sessionsOf,
  toMachine,
} from '../store/machines.ts';
import { deleteOutboxOf } from '../store/outbox.ts';
import type { MachineRow } from '../store/schema.ts';
import { agentsOf } from './agents-of.ts';
import { handOverSecret, sayRevoked } from './doors.ts';
import { endMissing, endSession, saveChanged, setProjects, type SessionParts } from './inventory.ts';
import { Presence } from './presence.ts';

/** Messaging, as the registry needs it. */
export interface RegistryHooks {
  sessionEnded(transaction: HubTransaction, machineId: string, session: string): Promise<void>;
  /** Fails what is under way with a machine that was put out. */
  machineGone(machineId: string, reason: string): Promise<void>;
  /** The machine was heard from, or its address changed. */
  kick(machineId: string): void;
}

export interface RegistryParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  readonly log: Log;
  readonly hubVersion: string;
}

/** A machine that was let in. */
export interface AdmittedMachine {
  readonly id: string;
  readonly displayName: string;
  readonly daemonUrl: string;
  readonly secret: string;
}

/** Requests that were signed with the old secret just before a rotation still arrive. */
const OLD_SECRET_MS = 60_000;

export class HubRegistry implements Registry, MachineDirectory {
  readonly #parts: RegistryParts;
  readonly #machines = new Map<string, MachineRow>();
  readonly #oldSecrets = new Map<string, string>();
  readonly #rotating = new Set<string>();
  readonly #presence: Presence;
  #hooks: RegistryHooks | undefined;

  static async open(parts: RegistryParts): Promise<HubRegistry> {
    const registry = new HubRegistry(parts);
    for (const row of await parts.store.read(allMachines)) registry.#machines.set(row.id, row);
    return registry;
  }

  private constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#presence = new Presence(parts.clock, (machineId) => void this.#announce(machineId));
  }

  /** Messaging is made after the registry; it is told of what concerns it through these. Before `start`. */
  connect(hooks: RegistryHooks): void {
    this.#hooks = hooks;
  }

  /** Machines heard from just before the hub stopped keep their time; what a crash left undone of a revocation is done. */
  async start(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const row of this.#machines.values()) {
      const ago = row.last_seen === null ? Number.POSITIVE_INFINITY : now - row.last_seen;
      if (ago >= 0 && ago < AWAY_AFTER_SECONDS * 1000 && row.left_at === null && row.revoked_at === null)
        this.#presence.heard(row.id, ago);
      if (row.revoked_at !== null) await this.#hooks?.machineGone(row.id, `${row.id} was revoked`);
    }
    this.#presence.start();
  }

  stop(): void {
    this.#presence.stop();
  }

  /** Lets a machine in, in the transaction that decided it. One that is known gets the new secret and address; its old secret is worthless. */
  async admit(transaction: HubTransaction, machine: AdmittedMachine): Promise<void> {
    const { db } = transaction;
    await admitMachine(db, {
      id: machine.id,
      display_name: machine.displayName,
      daemon_url: machine.daemonUrl,
      secret: machine.secret,
      joined_at: this.#parts.clock.now(),
    });
    this.#oldSecrets.delete(machine.id);
    await this.#changed(transaction, machine.id);
  }

  async hello(machineId: string, hello: HelloRequest): Promise<z.infer<typeof HelloResponse>> {
    if (hello.protocol !== PROTOCOL_VERSION) {
      throw new IntercomError(
        'unsupported_version',
        `The daemon speaks protocol ${hello.protocol}, this hub ${PROTOCOL_VERSION}.`,
        { field: 'protocol', next: 'Upgrade the older of the two.' },
      );
    }
    const now = this.#parts.clock.now();
    await this.#parts.store.write(async (transaction) => {
      const row = await member(transaction.db, machineId);
      await changeMachine(transaction.db, machineId, {
        ...(row.name_given === 1 ? {} : { display_name: hello.displayName }),
        ...(row.description_given === 1 ? {} : { description: hello.description }),
        daemon_url: hello.daemonUrl,
        version: hello.version,
        epoch: hello.epoch,
        last_seen: now,
        left_at: null,
      });
      await setProjects(this.#inventory(transaction, machineId), hello.projects);
      await saveChanged(this.#inventory(transaction, machineId), hello.sessions);
      await endMissing(this.#inventory(transaction, machineId), hello.sessions);
      this.#presence.heard(machineId);
      await this.#changed(transaction, machineId);
    });
    this.#afterWord(machineId);
    return {
      hubEpoch: this.#parts.store.epoch,
      hubVersion: this.#parts.hubVersion,
      protocol: PROTOCOL_VERSION,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      time: isoTime(now),
    };
  }

  async heartbeat(
    machineId: string,
    beat: { readonly epoch: string; readonly time: string; readonly outbox: number },
  ): Promise<{ hubEpoch: string; resync: boolean }> {
    const now = this.#parts.clock.now();
    const resync = await this.#parts.store.write(async (transaction) => {
      const row = await member(transaction.db, machineId);
      await changeMachine(transaction.db, machineId, {
        last_seen: now,
        left_at: null,
        clock_offset_ms: Date.parse(beat.time) - now,
        outbox: beat.outbox,
      });
      if (this.#presence.heard(machineId)) await this.#changed(transaction, machineId);
      else await this.#remember(transaction, machineId);
      return row.epoch !== beat.epoch;
    });
    this.#afterWord(machineId);
    return { hubEpoch: this.#parts.store.epoch, resync };
  }

  async sessionsChanged(machineId: string, sessions: readonly Session[]): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      await member(transaction.db, machineId);
      await saveChanged(this.#inventory(transaction, machineId), sessions);
    });
  }

  async projectsChanged(machineId: string, projects: readonly Project[]): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      await member(transaction.db, machineId);
      await setProjects(this.#inventory(transaction, machineId), projects);
    });
  }

  secretsOf(machineId: string): readonly string[] {
    const row = this.#machines.get(machineId);
    if (row === undefined) throw unknownMachine(machineId);
    if (row.revoked_at !== null) throw revoked(machineId);
    const old = this.#oldSecrets.get(machineId) ?? '';
    return [row.secret, row.next_secret ?? '', old].filter((secret) => secret !== '');
  }

  standing(machineId: string): 'member' | 'revoked' | 'unknown' {
    const row = this.#machines.get(machineId);
    if (row === undefined) return 'unknown';
    return row.revoked_at === null ? 'member' : 'revoked';
  }

  isAway(machineId: string): boolean {
    return !this.#presence.isOnline(machineId);
  }

  /** Where and how the hub reaches a machine's daemon. */
  doorOf(machineId: string): DaemonDoor | undefined {
    const row = this.#machines.get(machineId);
    if (row === undefined || row.revoked_at !== null) return undefined;
    return { url: row.daemon_url, secret: () => this.#machines.get(machineId)?.secret ?? '' };
  }

  async machines(): Promise<Machine[]> {
    return this.#parts.store.read(async (db) => {
      const projects = await projectsOf(db);
      const sessions = await sessionsOf(db);
      return (await allMachines(db)).map((row) =>
        toMachine(row, this.#status(row), projects.get(row.id)?.length ?? 0, sessions.get(row.id)?.length ?? 0),
      );
    });
  }

  async machine(id: string): Promise<Machine> {
    return this.#parts.store.read(async (db) => {
      const machine = await this.#wire(db, id);
      if (machine === undefined) throw unknownMachine(id);
      return machine;
    });
  }

  async agents(filter: string): Promise<Agent[]> {
    const only = filter.startsWith('machine:') ? filter.slice('machine:'.length) : undefined;
    if (only === undefined && filter !== 'all' && filter !== 'online') {
      throw new IntercomError('invalid_request', `"${filter.slice(0, 60)}" is not a filter.`, {
        field: 'filter',
        next: 'Use all, online or machine:<id>.',
      });
    }
    if (only !== undefined && !this.#machines.has(only)) throw unknownMachine(only);
    return this.#parts.store.read(async (db) => {
      const rows = (await allMachines(db)).filter(
        (row) =>
          row.revoked_at === null &&
          (only === undefined || row.id === only) &&
          (filter !== 'online' || this.#presence.isOnline(row.id)),
      );
      return agentsOf(rows, (row) => this.#status(row), await projectsOf(db, only), await sessionsOf(db, only));
    });
  }

  async update(
    actor: Actor,
    id: string,
    patch: { readonly displayName?: string | undefined; readonly description?: string | undefined },
  ): Promise<Machine> {
    mustOwn(actor);
    return this.#parts.store.write(async (transaction) => {
      await known(transaction.db, id);
      const change = {
        ...(patch.displayName === undefined ? {} : { display_name: patch.displayName, name_given: 1 }),
        ...(patch.description === undefined ? {} : { description: patch.description, description_given: 1 }),
      };
      if (Object.keys(change).length > 0) await changeMachine(transaction.db, id, change);
      return this.#changed(transaction, id);
    });
  }

  async revoke(actor: Actor, id: string): Promise<Machine> {
    mustOwn(actor);
    const reason = `${id} was revoked by ${actor.operator.name}`;
    const { machine, before } = await this.#parts.store.write(async (transaction) => {
      const row = await known(transaction.db, id);
      if (row.revoked_at === null) {
        await changeMachine(transaction.db, id, {
          secret: '',
          next_secret: null,
          revoked_at: this.#parts.clock.now(),
        });
        await deleteOutboxOf(transaction.db, id);
        const live = (await sessionsOf(transaction.db, id)).get(id) ?? [];
        for (const session of live) await endSession(this.#inventory(transaction, id), session);
      }
      this.#oldSecrets.delete(id);
      this.#presence.gone(id);
      return { machine: await this.#changed(transaction, id), before: row };
    });
    await this.#hooks?.machineGone(id, reason);
    if (before.revoked_at === null) void this.#sayRevoked(before);
    return machine;
  }

  async rotate(actor: Actor, id: string): Promise<Machine> {
    mustOwn(actor);
    await this.#parts.store.write(async (transaction) => {
      const row = await member(transaction.db, id);
      const next_secret = row.next_secret ?? newMachineSecret();
      await changeMachine(transaction.db, id, { next_secret });
      await this.#changed(transaction, id);
    });
    await this.#handOver(id);
    return this.machine(id);
  }

  async remove(actor: Actor, id: string): Promise<void> {
    await this.revoke(actor, id);
    await this.#parts.store.write(async (transaction) => {
      await deleteMachine(transaction.db, id);
      await this.#parts.events.append(transaction, { type: 'machine.removed', machineId: id });
      transaction.afterCommit(() => void this.#machines.delete(id));
    });
  }

  async leave(machineId: string): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      await member(transaction.db, machineId);
      await changeMachine(transaction.db, machineId, { left_at: this.#parts.clock.now() });
      this.#presence.gone(machineId);
      await this.#changed(transaction, machineId);
    });
  }

  #inventory(transaction: HubTransaction, machineId: string): SessionParts {
    return {
      transaction,
      machineId,
      events: this.#parts.events,
      now: this.#parts.clock.now(),
      ended: async (session) => this.#hooks?.sessionEnded(transaction, machineId, session),
    };
  }

  #status(row: MachineRow): MachineStatus {
    if (row.revoked_at !== null) return 'revoked';
    return this.#presence.isOnline(row.id) ? 'online' : 'away';
  }

  async #wire(db: HubDb, id: string): Promise<Machine | undefined> {
    const row = await machineById(db, id);
    if (row === undefined) return undefined;
    const projects = (await projectsOf(db, id)).get(id)?.length ?? 0;
    const sessions = (await sessionsOf(db, id)).get(id)?.length ?? 0;
    return toMachine(row, this.#status(row), projects, sessions);
  }

  /** Keeps the memory as the store will be. */
  async #remember(transaction: HubTransaction, id: string): Promise<void> {
    const row = await machineById(transaction.db, id);
    if (row !== undefined) transaction.afterCommit(() => void this.#machines.set(id, row));
  }

  async #changed(transaction: HubTransaction, id: string): Promise<Machine> {
    await this.#remember(transaction, id);
    const machine = await this.#wire(transaction.db, id);
    if (machine === undefined) throw unknownMachine(id);
    await this.#parts.events.append(transaction, { type: 'machine.changed', machine });
    return machine;
  }

  /** A machine was not heard from for too long. */
  async #announce(machineId: string): Promise<void> {
    try {
      await this.#parts.store.write(async (transaction) => {
        if ((await machineById(transaction.db, machineId)) !== undefined) await this.#changed(transaction, machineId);
      });
    } catch (error) {
      this.#parts.log.error({ err: error, machine: machineId }, 'that a machine is away could not be stored');
    }
  }

  #afterWord(machineId: string): void {
    this.#hooks?.kick(machineId);
    if (typeof this.#machines.get(machineId)?.next_secret === 'string') void this.#handOver(machineId);
  }

  /** Brings the next secret to the daemon; from then on it is the only one. Tried again when the machine is heard from. */
  async #handOver(id: string): Promise<void> {
    const row = this.#machines.get(id);
    const next = row?.next_secret ?? undefined;
    if (row === undefined || next === undefined || row.revoked_at !== null || this.#rotating.has(id)) return;
    this.#rotating.add(id);
    try {
      const daemon = { machineId: id, url: row.daemon_url, secret: row.secret };
      await handOverSecret(daemon, next, () => this.#parts.clock.now());
      await this.#parts.store.write(async (transaction) => {
        const now = await machineById(transaction.db, id);
        if (now?.next_secret !== next) return;
        await changeMachine(transaction.db, id, { secret: next, next_secret: null });
        await this.#changed(transaction, id);
        transaction.afterCommit(() => this.#keepOld(id, row.secret));
      });
    } catch (error) {
      this.#parts.log.warn({ err: error, machine: id }, 'the new secret waits until the machine can be reached');
    } finally {
      this.#rotating.delete(id);
    }
  }

  #keepOld(id: string, secret: string): void {
    this.#oldSecrets.set(id, secret);
    this.#parts.clock.after(OLD_SECRET_MS, () => {
      if (this.#oldSecrets.get(id) === secret) this.#oldSecrets.delete(id);
    });
  }

  async #sayRevoked(row: MachineRow): Promise<void> {
    try {
      await sayRevoked({ machineId: row.id, url: row.daemon_url, secret: row.secret }, () => this.#parts.clock.now());
    } catch (error) {
      this.#parts.log.info(
        { err: error, machine: row.id },
        'a revoked machine was not reached; it learns it with its next request',
      );
    }
  }
}

async function known(db: HubDb, id: string): Promise<MachineRow> {
  const row = await machineById(db, id);
  if (row === undefined) throw unknownMachine(id);
  return row;
}

async function member(db: HubDb, id: string): Promise<MachineRow> {
  const row = await known(db, id);
  if (row.revoked_at !== null) throw revoked(id);
  return row;
}

function mustOwn(actor: Actor): void {
  if (actor.operator.role === 'owner') return;
  throw new IntercomError('forbidden', `${actor.operator.name} is not an owner and cannot change machines.`, {
    next: 'An owner must do it.',
  });
}

function unknownMachine(id: string): IntercomError {
  return new IntercomError('unknown_machine', `There is no machine "${id.slice(0, 64)}" in this mesh.`, {
    next: '`intercom machines` lists them; `intercom join` lets one in.',
  });
}

function revoked(id: string): IntercomError {
  return new IntercomError('revoked', `The machine ${id} was revoked.`, {
    next: 'Run `intercom join` on it; an owner must approve.',
  });
}
