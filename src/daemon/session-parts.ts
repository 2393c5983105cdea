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
import { HeartbeatAdapter, workingDirectory } from './agents/heartbeat/adapter.ts';
import { isAlive, startMoment, systemProcesses, workBelow } from './agents/process-table.ts';
import type { DaemonOptions } from './options.ts';
import type { ProjectDirectory } from './discovery/project-directory.ts';
import { PlainSessions } from './http/plain-sessions.ts';
import type { AgentServers } from './launcher/agents.ts';
import { RunnerFiles } from './launcher/runner-files.ts';
import type { AgentPort } from './sessions/agent-port.ts';
import { ActivityBook } from './sessions/activity/activity-book.ts';
import { StallWatch } from './sessions/activity/stall-watch.ts';
import { DeliveryEngine } from './sessions/delivery.ts';
import { Doorbell } from './sessions/doorbell.ts';
import { HookRoutes, type UsageEars } from './sessions/hook-routes.ts';
import { ManagedBook } from './sessions/managed-sessions.ts';
import { DialogDesk } from './sessions/dialog-desk.ts';
import { DecisionDesks } from './sessions/decision-desks.ts';
import { PermissionDesk } from './sessions/permission-desk.ts';
import { QuestionDesk, type QuestionCalls } from './sessions/question-desk.ts';
import { LiveSessions } from './sessions/session-book.ts';
import type { DaemonStore } from './store/store.ts';

/** Where the seed's script writes. */
const HEARTBEATS = '/tmp/cc-sessions';

export interface SessionParts {
  readonly book: LiveSessions;
  readonly delivery: DeliveryEngine;
  readonly hooks: HookRoutes;
  readonly plain: PlainSessions;
  readonly managed: ManagedBook;
  readonly questions: QuestionDesk;
  /** All desks that wait for people. */
  readonly decisions: DecisionDesks;
  readonly servers: AgentServers;
  /** A sign of life of a session. */
  readonly heard: (session: string) => void;
}

export async function startSessions(
  { config, paths, clock, log, version, env = process.env }: DaemonOptions,
  parts: {
    readonly machineId: string;
    readonly home: string;
    readonly store: DaemonStore;
    readonly projects: ProjectDirectory;
    readonly approvals: QuestionCalls;
    readonly usage: UsageEars;
  },
  stops: (() => void | Promise<void>)[],
): Promise<SessionParts> {
  const { machineId, home, store, projects, approvals, usage } = parts;
  const book = new LiveSessions({ clock, log });
  const activities = new ActivityBook({ clock, log });
  const configDir = env.CLAUDE_CONFIG_DIR ?? join(home, '.claude');
  const managed = new ManagedBook({
    book,
    projects,
    activities,
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
    activities,
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
    activities,
    managed,
    processes: systemProcesses,
    clock,
  });
  const desk = new PermissionDesk({
    ...{ machineId, approvals, book, clock, log, uuid: randomUUID },
    onOver: (session) => dialogs.unexplained(session),
  });
  const dialogs = new DialogDesk({
    ...{ machineId, approvals, book, clock, log },
    isExplained: (session) => desk.asks(session),
  });
  const questions = new QuestionDesk({ machineId, approvals, clock });
  const codex = new CodexAdapter({
    codexHome: env.CODEX_HOME ?? join(home, '.codex'),
    runners: new RunnerFiles(paths.state).root,
    book,
    projects,
    activities,
    processes: systemProcesses,
    desk: new PermissionDialogs(desk, book),
    managed,
    clock,
    log,
    uid: process.getuid?.(),
    version,
  });
  const heartbeats = new HeartbeatAdapter({
    folder: HEARTBEATS,
    book,
    projects,
    activities,
    processes: systemProcesses,
    directoryOf: workingDirectory,
    momentOf: startMoment,
    clock,
    log,
    uid: process.getuid?.(),
  });
  const ports: readonly AgentPort[] = [claude, codex, gemini, new AcpPort('opencode', book)];
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
  managed.connect({ hooks, delivery, dialogs });
  const stalls = new StallWatch({
    book,
    activities,
    grewAt: async ({ agent, id }) => ports.find(({ name }) => name === agent)?.grewAt?.(id),
    workOf: workBelow,
    clock,
    log,
  });
  stops.push(
    () => claude.stop(),
    () => codex.stop(),
    () => gemini.stop(),
    () => heartbeats.stop(),
    () => delivery.stop(),
    () => plain.stop(),
    () => doorbell.stop(),
    () => desk.stop(),
    () => stalls.stop(),
    () => activities.stop(),
    () => dialogs.stop(),
  );
  await claude.start();
  await codex.start();
  await gemini.start();
  await plain.start();
  // After those who know better.
  await heartbeats.start();
  await delivery.start();
  const decisions = new DecisionDesks([questions, dialogs], desk);
  const heard = (session: string): void => activities.heard(session);
  return { book, delivery, plain, hooks, managed, questions, decisions, servers: codex, heard };
}
