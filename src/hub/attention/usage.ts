/**
 * What sessions and machines use, as their daemons tell it: the newest word on each, and nothing older.
 *
 * Invariants: a machine speaks only for itself; a report that changes nothing makes no event.
 */
import type { SessionUsage, MachineUsage, UsageReport } from '../../protocol/attention.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import type { EventAppender } from '../events.ts';
import type { HubStore } from '../store/hub-store.ts';
import { boundUsage, programSubject, saveUsage, shownUsage } from '../store/usage.ts';

export class HubUsage {
  readonly #store: HubStore;
  readonly #events: EventAppender;

  constructor(store: HubStore, events: EventAppender) {
    this.#store = store;
    this.#events = events;
  }

  async changed(machineId: string, report: UsageReport): Promise<void> {
    await this.#store.write(async (transaction) => {
      const { db } = transaction;
      const save = async (subject: string, value: SessionUsage | MachineUsage): Promise<boolean> => {
        const row = { machine_id: machineId, subject, json: JSON.stringify(value), at: Date.parse(value.at) };
        const saved = await saveUsage(db, row);
        if (saved === 'new') await boundUsage(db, machineId);
        return saved !== 'known';
      };
      const sessions: SessionUsage[] = [];
      for (const one of report.sessions) if (await save(one.session, one)) sessions.push(one);
      const machine: MachineUsage[] = [];
      for (const one of report.machine) if (await save(programSubject(one.agent), one)) machine.push(one);
      if (sessions.length + machine.length === 0) return;
      await this.#events.append(transaction, { type: 'usage.changed', machineId, usage: { sessions, machine } });
    });
  }

  shown(): Promise<Snapshot['usage']> {
    return this.#store.read(shownUsage);
  }
}
