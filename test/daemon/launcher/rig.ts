/** The launcher with real runners and a scripted agent: in this process, or (launcher-entry.ts) in one that can be killed. */
import { join } from 'node:path';
import { z } from 'zod';
import { launcherOf, launcherSection, type LauncherConfig } from '../../../src/config/launcher.ts';
import { systemProcesses, type ProcessTable } from '../../../src/daemon/agents/process-table.ts';
import type { AgentEvent, AgentProgram } from '../../../src/daemon/agents/program.ts';
import type { AgentServers, AgentSource } from '../../../src/daemon/launcher/agents.ts';
import { Launcher } from '../../../src/daemon/launcher/launcher.ts';
import { detachedRunner } from '../../../src/daemon/launcher/spawn-runner.ts';
import type { ManagedSessions } from '../../../src/daemon/sessions/managed.ts';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { systemClock, type Clock } from '../../../src/platform/clock.ts';
import type { Log } from '../../../src/platform/log.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { DeliverMission } from '../../../src/protocol/daemon-api.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { MissionNews, type MissionReport, type MissionSpec } from '../../../src/protocol/mission.ts';
import type { Project } from '../../../src/protocol/model.ts';

const SCRIPT = join(import.meta.dirname, 'scripted-agent.mjs');

const Event = z.custom<AgentEvent>((value) => typeof value === 'object' && value !== null && 'kind' in value);

/** Each line of it is an event. */
export const scriptedProgram: AgentProgram = {
  name: 'scripted',
  displayName: 'Scripted agent',
  executable: process.execPath,
  versionArgs: [],
  minimumVersion: undefined,
  runtimes: ['headless'],
  allowedFlags: ['--model=<name>', '--verbose'],
  environment: ['SCRIPTED_KEY'],
  canResume: true,
  canFork: true,
  verified: [],
  limits: [
    { limit: 'maxTurns', runtime: 'headless', holds: 'counted' },
    { limit: 'maxBudgetUsd', runtime: 'headless', holds: 'counted' },
  ],
  plan: ({ prompt, flags, uuid, resume, env }) => ({
    argv: [
      env.SCRIPTED_AGENT ?? SCRIPT,
      ...(resume === undefined || resume.fork ? ['--session', uuid] : ['--resume', resume.session]),
      ...(resume?.fork === true ? [`--copy-of=${resume.session}`] : []),
      ...flags,
      prompt,
    ],
    environment: {},
    files: {},
    hooks: false,
    input: [],
    closeInput: false,
    session: resume === undefined || resume.fork ? uuid : resume.session,
  }),
  parseVersion: () => undefined,
  fold: () => ({
    feed: (entry) => {
      if (entry.kind === 'exit') return [{ kind: 'ended' }];
      if (entry.kind !== 'line') return [];
      try {
        const event = Event.safeParse(JSON.parse(entry.text));
        return event.success ? [event.data] : [];
      } catch {
        return [];
      }
    },
  }),
  inputLine: (text) => JSON.stringify({ text }),
};

const agents: AgentSource = {
  find: (name) =>
    Promise.resolve(
      name === 'scripted'
        ? {
            program: scriptedProgram,
            executable: process.execPath,
            version: '1',
            problem: undefined,
            config: undefined,
          }
        : name === 'broken'
          ? {
              program: scriptedProgram,
              executable: undefined,
              version: undefined,
              problem: 'it is not installed.',
              config: undefined,
            }
          : undefined,
    ),
  offers: () => [{ name: 'scripted', version: '1', runtimes: ['headless'] }],
  names: () => ['scripted'],
};

/** Sessions that take part in nothing. */
const managed: ManagedSessions = {
  attach: (run) => {
    let id = run.session;
    return {
      get id() {
        return id;
      },
      started: () => undefined,
      event: (event) => {
        if (event.kind === 'session') id = event.session;
      },
      hook: () => Promise.resolve({ text: '' }),
      printed: () => undefined,
      screen: () => undefined,
      undelivered: () => 0,
      end: () => undefined,
    };
  },
};

export interface RigOptions {
  /** The state directory. */
  readonly state: string;
  /** Project id → directory. */
  readonly projects: Readonly<Record<string, string>>;
  /** How to start a runner: `[node, bundle]`. */
  readonly intercom: readonly string[];
  readonly config?: Partial<z.input<typeof launcherSection>>;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly servers?: AgentServers;
  readonly processes?: ProcessTable;
}

export class Rig {
  readonly store: DaemonStore;
  readonly launcher: Launcher;
  readonly config: LauncherConfig;
  readonly reports: MissionReport[] = [];
  readonly log: Extract<MissionNews, { news: 'log' }>['entries'] = [];
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];
  #reading: Promise<void> = Promise.resolve();

  constructor(options: RigOptions) {
    const { clock = systemClock, log = silentLog(), intercom, env = { PATH: process.env.PATH } } = options;
    this.config = launcherOf(launcherSection.parse({ ...options.config }), (path) => path);
    this.store = new DaemonStore({ file: join(options.state, 'daemon.db'), clock, log });
    this.store.missions.onNews(() => {
      this.#reading = this.#reading.then(() => this.#read());
    });
    const projects: Project[] = Object.entries(options.projects).map(([id, path]) => ({
      id,
      path,
      description: '',
      capabilities: [],
      tags: [],
      agent: 'scripted',
      source: 'configured',
    }));
    this.launcher = new Launcher({
      machineId: 'laptop',
      config: this.config,
      state: options.state,
      missions: this.store.missions,
      projects: { list: () => projects },
      agents,
      managed,
      ...(options.servers === undefined ? {} : { servers: options.servers }),
      processes: options.processes ?? systemProcesses,
      spawnRunner: detachedRunner(intercom, env),
      intercom,
      env,
      clock,
      log,
    });
  }

  async stop(): Promise<void> {
    this.launcher.stop();
    await this.#reading;
    await this.store.close();
  }

  /** Reads what is owed to the hub, as the hub would take it. */
  async #read(): Promise<void> {
    for (;;) {
      const owed = await this.store.missions.news(100);
      const last = owed.at(-1);
      if (last === undefined) break;
      for (const { news } of owed) {
        const read = MissionNews.parse(JSON.parse(news));
        if (read.news === 'report') this.reports.push(read);
        else this.log.push(...read.entries);
      }
      await this.store.missions.taken(last.seq);
    }
    for (const waiting of this.#waiting) if (waiting.enough()) waiting.resolve();
  }

  until(enough: () => boolean): Promise<void> {
    if (enough()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ enough, resolve }));
  }

  /** The newest report of the mission that has this state. */
  async reaches(id: string, state: MissionReport['state'], run = 1): Promise<MissionReport> {
    const found = () => this.reports.findLast((one) => one.missionId === id && one.state === state && one.run === run);
    await this.until(() => found() !== undefined);
    const report = found();
    if (report === undefined) throw new Error('it was there');
    return report;
  }

  /** Every state that it was told to be in, in order, repeats left out. */
  states(id: string): (string | undefined)[] {
    const all = this.reports.filter((one) => one.missionId === id && one.state !== undefined).map(({ state }) => state);
    return all.filter((state, index) => state !== all[index - 1]);
  }

  /** Its log as lines; of all missions of this rig. */
  logLines(): string[] {
    return this.log.map(({ kind, label }) => `${kind}: ${label}`);
  }
}

/** A mission as the hub sends it. */
export function missionItem(
  text: string,
  more: {
    readonly spec?: Partial<z.input<typeof MissionSpec>>;
    readonly item?: Partial<z.input<typeof DeliverMission>>;
  } = {},
): DeliverMission {
  return DeliverMission.parse({
    item: 'mission',
    missionId: newId('mission'),
    run: 1,
    spec: { project: 'api', text, agent: 'scripted', ...more.spec },
    threadId: newId('thread'),
    requestedBy: 'human:anna',
    approval: 'approved by anna',
    depth: 0,
    logSeq: 0,
    ...more.item,
  });
}
