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
import { HEARTBEAT_SECONDS, PROTOCOL_VERSION } from '../../protocol/limits.ts';
import type { HelloRequest, HelloResponse } from '../../protocol/machine-api.ts';
import type { Agent, Machine, Project, Session } from '../../protocol/model.ts';
import type { EventAppender } from '../events.ts';
import { newMachineSecret } from '../joins/joins.ts';
import type { MachineDirectory } from '../messaging/context.ts';
import type { DaemonDoor } from '../messaging/dispatch.ts';
import type { MachineNews } from '../notices/machine-notices.ts';
import type { Actor, Registry } from '../services.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { admitMachine, allMachines, changeMachine, deleteMachine, machineById, sessionsOf } from '../store/machines.ts';
import { deleteOutboxOf } from '../store/outbox.ts';
import type { MachineRow } from '../store/schema.ts';
import { HandOver } from './hand-over.ts';
import { endMissing, endSession, saveChanged, setProjects, type SessionParts } from './inventory.ts';
import { viewAgents, viewMachine, viewMachines } from './machine-views.ts';
import { known, member, mustOwn, revoked, unknownMachine } from './refusals.ts';
import { MachineWatch } from './watch.ts';

/** Messaging, as the registry needs it. */
export interface RegistryHooks {
  sessionEnded(transaction: HubTransaction, machineId: string, session: string): Promise<void>;
  /** It is stored, and is not what it was. */
  sessionChanged?(
    transaction: HubTransaction,
    machineId: string,
    session: Session,
    before: Session | undefined,
  ): Promise<void>;
  /** It is not heard from any more, or is again (without a hello). */
  machineAway?(transaction: HubTransaction, machineId: string): Promise<void>;
  machineBack?(transaction: HubTransaction, machineId: string): Promise<void>;
  /** What the machine says about missions, agents and dialogs, in the transaction of its hello. `anew`: its daemon has only just started. */
  hello?(transaction: HubTransaction, machineId: string, hello: HelloRequest, anew: boolean): Promise<void>;
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
  /** Told what a person should know about machines. */
  readonly news?: MachineNews;
}

/** A machine that was let in. */
export interface AdmittedMachine {
  readonly id: string;
  readonly displayName: string;
  readonly daemonUrl: string;
  readonly secret: string;
}

export class HubRegistry implements Registry, MachineDirectory {
  readonly #parts: RegistryParts;
  readonly #machines = new Map<string, MachineRow>();
  readonly #watch: MachineWatch;
  readonly #handOver: HandOver;
  #hooks: RegistryHooks | undefined;

  static async open(parts: RegistryParts): Promise<HubRegistry> {
    const registry = new HubRegistry(parts);
    for (const row of await parts.store.read(allMachines)) registry.#machines.set(row.id, row);
    return registry;
  }

  private constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#watch = new MachineWatch({
      clock: parts.clock,
      rowOf: (machineId) => this.#machines.get(machineId),
      news: parts.news,
      onChange: (machineId) => void this.#announce(machineId),
    });
    this.#handOver = new HandOver({
      ...parts,
      rowOf: (machineId) => this.#machines.get(machineId),
      changed: (transaction, machineId) => this.#changed(transaction, machineId),
    });
  }

  /** Messaging is made after the registry; it is told of what concerns it through these. Before `start`. */
  connect(hooks: RegistryHooks): void {
    this.#hooks = hooks;
  }

  /** Watches over the machines; what a crash left undone of a revocation is done. */
  async start(): Promise<void> {
    for (const row of this.#machines.values()) {
      if (row.revoked_at !== null) await this.#hooks?.machineGone(row.id, `${row.id} was revoked`);
    }
    this.#watch.start(this.#machines.values());
  }

  stop(): void {
    this.#watch.stop();
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
    this.#handOver.forget(machine.id);
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
      await this.#hooks?.hello?.(transaction, machineId, hello, row.epoch !== null && row.epoch !== hello.epoch);
      this.#watch.heard(machineId);
      await this.#changed(transaction, machineId);
    });
    this.#afterWord(machineId);
    this.#watch.back(machineId);
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
    const { resync, isBack } = await this.#parts.store.write(async (transaction) => {
      const row = await member(transaction.db, machineId);
      await changeMachine(transaction.db, machineId, {
        last_seen: now,
        left_at: null,
        clock_offset_ms: Date.parse(beat.time) - now,
        outbox: beat.outbox,
      });
      const wasAway = this.#watch.heard(machineId);
      if (wasAway) {
        await this.#changed(transaction, machineId);
        await this.#hooks?.machineBack?.(transaction, machineId);
      } else {
        await this.#remember(transaction, machineId);
      }
      return { resync: row.epoch !== beat.epoch, isBack: wasAway };
    });
    this.#afterWord(machineId);
    if (isBack) this.#watch.back(machineId);
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
    const old = this.#handOver.oldSecretOf(machineId) ?? '';
    return [row.secret, row.next_secret ?? '', old].filter((secret) => secret !== '');
  }

  standing(machineId: string): 'member' | 'revoked' | 'unknown' {
    const row = this.#machines.get(machineId);
    if (row === undefined) return 'unknown';
    return row.revoked_at === null ? 'member' : 'revoked';
  }

  isAway(machineId: string): boolean {
    return !this.#watch.isOnline(machineId);
  }

  /** Where and how the hub reaches a machine's daemon. */
  doorOf(machineId: string): DaemonDoor | undefined {
    const row = this.#machines.get(machineId);
    if (row === undefined || row.revoked_at !== null) return undefined;
    return { url: row.daemon_url, secret: () => this.#machines.get(machineId)?.secret ?? '' };
  }

  machines(): Promise<Machine[]> {
    return this.#parts.store.read((db) => viewMachines(db, this.#watch));
  }

  machine(id: string): Promise<Machine> {
    return this.#parts.store.read((db) => viewMachine(db, this.#watch, id));
  }

  agents(filter: string): Promise<Agent[]> {
    return this.#parts.store.read((db) => viewAgents(db, this.#watch, filter));
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
      this.#handOver.forget(id);
      this.#watch.out(id);
      return { machine: await this.#changed(transaction, id), before: row };
    });
    await this.#hooks?.machineGone(id, reason);
    if (before.revoked_at === null) void this.#handOver.sayRevoked(before);
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
    await this.#handOver.next(id);
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
      this.#watch.out(machineId);
      await this.#changed(transaction, machineId);
      await this.#hooks?.machineAway?.(transaction, machineId);
    });
  }

  #inventory(transaction: HubTransaction, machineId: string): SessionParts {
    return {
      transaction,
      machineId,
      events: this.#parts.events,
      now: this.#parts.clock.now(),
      ended: async (session) => this.#hooks?.sessionEnded(transaction, machineId, session),
      changed: async (session, before) => this.#hooks?.sessionChanged?.(transaction, machineId, session, before),
    };
  }

  /** Keeps the memory as the store will be. */
  async #remember(transaction: HubTransaction, id: string): Promise<void> {
    const row = await machineById(transaction.db, id);
    if (row !== undefined) transaction.afterCommit(() => void this.#machines.set(id, row));
  }

  async #changed(transaction: HubTransaction, id: string): Promise<Machine> {
    await this.#remember(transaction, id);
    const machine = await viewMachine(transaction.db, this.#watch, id);
    await this.#parts.events.append(transaction, { type: 'machine.changed', machine });
    return machine;
  }

  /** It is away, or cannot be reached, or can be again. */
  async #announce(machineId: string): Promise<void> {
    try {
      await this.#parts.store.write(async (transaction) => {
        if ((await machineById(transaction.db, machineId)) === undefined) return;
        await this.#changed(transaction, machineId);
        if (!this.#watch.isOnline(machineId)) await this.#hooks?.machineAway?.(transaction, machineId);
      });
    } catch (error) {
      this.#parts.log.error({ err: error, machine: machineId }, 'a change of a machine could not be stored');
    }
  }

  #afterWord(machineId: string): void {
    this.#hooks?.kick(machineId);
    if (typeof this.#machines.get(machineId)?.next_secret === 'string') void this.#handOver.next(machineId);
  }
}
