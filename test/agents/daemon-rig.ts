/**
 * The delivery side of a daemon without a hub, for tests with real agents: the real store, session book, adapter, delivery and hook routes,
 * behind a small HTTP server on a unix socket that speaks the hook part of the local API.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClaudeAdapter } from '../../src/daemon/agents/claude/adapter.ts';
import { installHooks, uninstallHooks } from '../../src/daemon/agents/claude/install.ts';
import type { InstallOptions } from '../../src/daemon/agents/claude/install.ts';
import { isAlive, systemProcesses } from '../../src/daemon/agents/process-table.ts';
import type { InboxEntry } from '../../src/daemon/ports.ts';
import { ActivityBook } from '../../src/daemon/sessions/activity/activity-book.ts';
import { DeliveryEngine } from '../../src/daemon/sessions/delivery.ts';
import { Doorbell } from '../../src/daemon/sessions/doorbell.ts';
import { HookRoutes } from '../../src/daemon/sessions/hook-routes.ts';
import { PermissionDesk } from '../../src/daemon/sessions/permission-desk.ts';
import { LiveSessions } from '../../src/daemon/sessions/session-book.ts';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { DeliverMessage } from '../../src/protocol/daemon-api.ts';
import { CALLER_HEADERS, HOOK_OFFER_HEADER } from '../../src/protocol/local-api.ts';
import type { MessageState } from '../../src/protocol/message-life.ts';
import type { ClaudeHome } from './claude-session.ts';
import { PaperHub } from './paper-hub.ts';
import { directoriesAsProjects } from './stand-ins.ts';

export class DaemonRig {
  readonly directory: string;
  readonly book = new LiveSessions({ clock: systemClock, log: silentLog() });
  readonly store: DaemonStore;
  readonly delivery: DeliveryEngine;
  /** Hook events that came, as `event` names. */
  readonly heard: string[] = [];
  readonly hub = new PaperHub();
  readonly desk: PermissionDesk;
  readonly #adapter: ClaudeAdapter;
  readonly #doorbell: Doorbell;
  readonly #routes: HookRoutes;
  readonly #server: Server;
  readonly #home: ClaudeHome;

  private constructor(home: ClaudeHome, directory: string) {
    this.#home = home;
    this.directory = directory;
    const log = silentLog();
    const { book } = this;
    this.store = new DaemonStore({ file: join(directory, 'daemon.db'), clock: systemClock, log });
    this.#adapter = new ClaudeAdapter({
      configDir: join(home.path, '.claude'),
      book,
      projects: directoriesAsProjects('claude'),
      activities: new ActivityBook({ clock: systemClock, log }),
      processes: systemProcesses,
      clock: systemClock,
      log,
      pid: process.pid,
      uid: process.getuid?.(),
    });
    const ports = [this.#adapter];
    this.delivery = new DeliveryEngine({
      store: this.store.inbox,
      book,
      ports,
      clock: systemClock,
      log,
      uuid: randomUUID,
    });
    this.#doorbell = new Doorbell({
      clock: systemClock,
      book,
      isAlive,
      mail: (session) => this.delivery.hookMail(session),
      onMail: (listener) => this.delivery.onHookMail(listener),
    });
    this.desk = new PermissionDesk({
      machineId: 'laptop',
      approvals: this.hub,
      book,
      clock: systemClock,
      log,
      uuid: randomUUID,
    });
    this.#routes = new HookRoutes({
      ports,
      book,
      delivery: this.delivery,
      doorbell: this.#doorbell,
      desk: this.desk,
      log,
    });
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.writeHead(500).end());
    });
  }

  static async start(home: ClaudeHome, directory = mkdtempSync(join(tmpdir(), 'ic-rig-'))): Promise<DaemonRig> {
    mkdirSync(directory, { recursive: true });
    const rig = new DaemonRig(home, directory);
    rmSync(rig.socket, { force: true });
    writeFileSync(rig.keyHeader, 'Authorization: Bearer test-key\n', { mode: 0o600 });
    await new Promise<void>((resolve) => rig.#server.listen(rig.socket, () => resolve()));
    await rig.#adapter.start();
    await rig.delivery.start();
    return rig;
  }

  get socket(): string {
    return join(this.directory, 'daemon.sock');
  }

  get keyHeader(): string {
    return join(this.directory, 'daemon.key.header');
  }

  installOptions(): InstallOptions {
    const configDir = join(this.#home.path, '.claude');
    return {
      configDir,
      userFile: join(this.#home.path, '.claude.json'),
      source: join(import.meta.dirname, '..', '..', 'hooks'),
      hooksDir: join(this.directory, 'hooks of it'),
      socket: this.socket,
      keyHeader: this.keyHeader,
      mcp: { command: 'true', args: ['mcp-server'] },
    };
  }

  async installHooks(): Promise<void> {
    await installHooks(this.installOptions());
  }

  async uninstallHooks(): Promise<void> {
    await uninstallHooks(this.installOptions());
  }

  /** Stores messages as if the hub had sent them. */
  async deliver(...messages: readonly DeliverMessage[]): Promise<void> {
    await this.store.inbox.accept(messages);
  }

  /** Waits until the message is in one of the states. */
  async reaches(id: string, ...states: readonly MessageState[]): Promise<InboxEntry> {
    for (;;) {
      const entry = await this.store.inbox.get(id);
      if (entry !== undefined && states.includes(entry.state)) return entry;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits until a session is known that fits. */
  async session(
    fits: (session: ReturnType<LiveSessions['list']>[number]) => boolean,
  ): Promise<ReturnType<LiveSessions['list']>[number]> {
    const now = this.book.list().find(fits);
    if (now !== undefined) return now;
    return new Promise((resolve) => {
      const stop = this.book.onChange((session) => {
        if (!fits(session)) return;
        stop();
        resolve(session);
      });
    });
  }

  async stop(): Promise<void> {
    this.desk.stop();
    this.#doorbell.stop();
    this.delivery.stop();
    await this.#adapter.stop();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.store.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (request.headers.authorization !== 'Bearer test-key') {
      response.writeHead(401).end();
      return;
    }
    const [, local, what, agent = '', event = ''] = url.pathname.split('/');
    const header = (name: string) => [request.headers[name]].flat()[0];
    const pid = Number(header(CALLER_HEADERS.pid));
    const caller = {
      agent,
      pid: Number.isInteger(pid) && pid > 0 ? pid : undefined,
      session: header(CALLER_HEADERS.session) === '' ? undefined : header(CALLER_HEADERS.session),
      cwd: undefined,
    };
    if (local !== 'local' || (what !== 'hook' && what !== 'doorbell')) {
      response.writeHead(404).end();
    } else if (what === 'doorbell') {
      const abort = new AbortController();
      response.on('close', () => abort.abort());
      const answer = await this.#routes.doorbell({ agent, caller, signal: abort.signal });
      response.writeHead(answer === undefined ? 204 : 200).end(answer?.text);
    } else if (agent === 'ack') {
      await this.#routes.acknowledge(event);
      response.writeHead(204).end();
    } else {
      const parts: Buffer[] = [];
      for await (const part of request) if (Buffer.isBuffer(part)) parts.push(part);
      this.heard.push(event);
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const body = Buffer.concat(parts).toString('utf8');
      const answer = await this.#routes.event({ agent, event, caller, body, signal: gone.signal });
      response.writeHead(200, answer.offer === undefined ? {} : { [HOOK_OFFER_HEADER]: answer.offer }).end(answer.text);
    }
  }
}
