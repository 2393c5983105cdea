/**
 * The delivery side of a daemon without a hub, for tests with the real Codex: the real store, session book, adapter and delivery. Permission dialogs go to the test.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodexAdapter } from '../../src/daemon/agents/codex/adapter.ts';
import type { Dialog, DialogVerdict } from '../../src/daemon/agents/codex/approvals.ts';
import { systemProcesses } from '../../src/daemon/agents/process-table.ts';
import type { AgentEvent } from '../../src/daemon/agents/program.ts';
import type { InboxEntry } from '../../src/daemon/ports.ts';
import { ActivityBook } from '../../src/daemon/sessions/activity/activity-book.ts';
import { DeliveryEngine } from '../../src/daemon/sessions/delivery.ts';
import { LiveSessions } from '../../src/daemon/sessions/session-book.ts';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLog, silentLog } from '../../src/platform/log.ts';
import type { DeliverMessage } from '../../src/protocol/daemon-api.ts';
import type { MessageState } from '../../src/protocol/message-life.ts';
import type { Session } from '../../src/protocol/model.ts';
import type { CodexHome } from './codex-session.ts';
import { directoriesAsProjects } from './stand-ins.ts';

const rigLog = () => (process.env.RIG_LOG === '1' ? createLog({ level: 'debug', name: 'rig' }) : silentLog());

export interface OpenDialog {
  readonly dialog: Dialog;
  readonly answer: (verdict: DialogVerdict) => boolean;
  closed: 'answered_elsewhere' | 'withdrawn' | undefined;
}

export class CodexRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'ic-cxrig-'));
  readonly book = new LiveSessions({ clock: systemClock, log: rigLog() });
  readonly dialogs: OpenDialog[] = [];
  readonly events: { readonly session: string; readonly event: AgentEvent }[] = [];
  readonly adapter: CodexAdapter;
  readonly store: DaemonStore;
  readonly delivery: DeliveryEngine;

  private constructor(home: CodexHome, runners: string) {
    const log = rigLog();
    const { book } = this;
    this.store = new DaemonStore({ file: join(this.directory, 'daemon.db'), clock: systemClock, log });
    this.adapter = new CodexAdapter({
      codexHome: home.codex,
      runners,
      book,
      projects: directoriesAsProjects('codex'),
      activities: new ActivityBook({ clock: systemClock, log: silentLog() }),
      processes: systemProcesses,
      desk: {
        open: (dialog, answer) => this.dialogs.push({ dialog, answer, closed: undefined }),
        close: (ref, outcome) => {
          for (const one of this.dialogs) if (one.dialog.ref === ref) one.closed ??= outcome;
        },
      },
      clock: systemClock,
      log,
      uid: process.getuid?.(),
      version: '0.0.0-test',
    });
    this.adapter.onEvent((told) => this.events.push(told));
    const ports = [this.adapter];
    this.delivery = new DeliveryEngine({
      store: this.store.inbox,
      book,
      ports,
      clock: systemClock,
      log,
      uuid: randomUUID,
    });
  }

  static async start(home: CodexHome, runners = join(home.path, 'runners')): Promise<CodexRig> {
    const rig = new CodexRig(home, runners);
    await rig.adapter.start();
    await rig.delivery.start();
    return rig;
  }

  /** Stores messages as if the hub had sent them. */
  async deliver(...messages: readonly DeliverMessage[]): Promise<void> {
    await this.store.inbox.accept(messages);
  }

  /** Waits until the message is in one of the states. */
  async reaches(id: string, ...states: readonly MessageState[]): Promise<InboxEntry> {
    return this.until(async () => {
      const entry = await this.store.inbox.get(id);
      return entry !== undefined && states.includes(entry.state) ? entry : undefined;
    });
  }

  /** Waits until a session is known that fits. */
  async session(fits: (session: Session) => boolean): Promise<Session> {
    return this.until(() => Promise.resolve(this.book.list().find(fits)));
  }

  /** Fails by itself only when the test's own time is over. */
  async until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    this.delivery.stop();
    await this.adapter.stop();
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
