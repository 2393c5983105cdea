/**
 * Everything about the live sessions of this machine, built and started: the book, the agents' adapters, the managed sessions, delivery, hooks,
 * permission dialogs.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { AcpPort } from './agents/acp/port.ts';
import { ClaudeAdapter } from './agents/claude/adapter.ts';
import { CodexAdapter } from './agents/codex/adapter.ts';
import { PermissionDialogs } from './agents/codex/permission-dialogs.ts';
import { GeminiAdapter } from './agents/gemini/adapter.ts';
import { isAlive, systemProcesses } from './agents/process-table.ts';
import type { DaemonOptions } from './options.ts';
import type { ProjectDirectory } from './discovery/project-directory.ts';
import { PlainSessions } from './http/plain-sessions.ts';
import type { AgentServers } from './launcher/agents.ts';
import { RunnerFiles } from './launcher/runner-files.ts';
import { DeliveryEngine } from './sessions/delivery.ts';
import { Doorbell } from './sessions/doorbell.ts';
import { HookRoutes, type UsageEars } from './sessions/hook-routes.ts';
import { ManagedBook } from './sessions/managed-sessions.ts';
import { PermissionDesk, type ApprovalCalls } from './sessions/permission-desk.ts';
import { LiveSessions } from './sessions/session-book.ts';
import type { DaemonStore } from './store/store.ts';

export interface SessionParts {
  readonly book: LiveSessions;
  readonly delivery: DeliveryEngine;
  readonly hooks: HookRoutes;
  readonly plain: PlainSessions;
  readonly managed: ManagedBook;
  readonly desk: PermissionDesk;
  readonly servers: AgentServers;
}

export async function startSessions(
  { config, paths, clock, log, version, env = process.env }: DaemonOptions,
  parts: {
    readonly machineId: string;
    readonly home: string;
    readonly store: DaemonStore;
    readonly projects: ProjectDirectory;
    readonly approvals: ApprovalCalls;
    readonly usage: UsageEars;
  },
  stops: (() => void | Promise<void>)[],
): Promise<SessionParts> {
  const { machineId, home, store, projects, approvals, usage } = parts;
  const book = new LiveSessions({ clock, log });
  const configDir = env.CLAUDE_CONFIG_DIR ?? join(home, '.claude');
  const managed = new ManagedBook({
    book,
    projects,
    // Gemini's hooks, by which its adapter knows its sessions, run in its terminal only.
    hasAdapter: ({ program, runtime }) =>
      ['claude', 'codex'].includes(program.name) || (program.name === 'gemini' && runtime === 'terminal'),
    clock,
    log,
  });
  const claude = new ClaudeAdapter({
    configDir,
    book,
    projects,
    managed,
    processes: systemProcesses,
    clock,
    log,
    pid: process.pid,
    uid: process.getuid?.(),
  });
  const gemini = new GeminiAdapter({
    configDir: join(env.GEMINI_CLI_HOME ?? home, '.gemini'),
    book,
    projects,
    managed,
    processes: systemProcesses,
    clock,
  });
  const desk = new PermissionDesk({ machineId, approvals, book, clock, log, uuid: randomUUID });
  const codex = new CodexAdapter({
    codexHome: env.CODEX_HOME ?? join(home, '.codex'),
    runners: new RunnerFiles(paths.state).root,
    book,
    projects,
    processes: systemProcesses,
    desk: new PermissionDialogs(desk, book),
    managed,
    clock,
    log,
    uid: process.getuid?.(),
    version,
  });
  const ports = [claude, codex, gemini, new AcpPort('opencode', book)];
  const delivery = new DeliveryEngine({
    store: store.inbox,
    book,
    ports,
    managedChannel: (session) => managed.channelOf(session),
    clock,
    log,
    uuid: randomUUID,
    maxWaiting: config.inbox.maxWaiting,
    inlineMax: config.inbox.inlineCharacters,
  });
  const doorbell = new Doorbell({
    clock,
    book,
    isAlive,
    mail: (session) => delivery.hookMail(session),
    onMail: (listener) => delivery.onHookMail(listener),
  });
  const reserved = ports.map(({ name }) => name);
  const plain = new PlainSessions({ book, projects, processes: systemProcesses, reserved, clock, facts: store.facts });
  const hooks = new HookRoutes({ ports, book, delivery, doorbell, desk, usage, log });
  managed.connect({ hooks, delivery });
  stops.push(
    () => claude.stop(),
    () => codex.stop(),
    () => gemini.stop(),
    () => delivery.stop(),
    () => plain.stop(),
    () => doorbell.stop(),
    () => desk.stop(),
  );
  await claude.start();
  await codex.start();
  await gemini.start();
  await plain.start();
  await delivery.start();
  return { book, delivery, plain, hooks, managed, desk, servers: codex };
}
