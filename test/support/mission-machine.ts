/**
 * A machine whose missions a test plays by hand, on a real hub in this process: it takes what the hub sends (signed, stored, acknowledged) and
 * tells news as a daemon would.
 */
import { systemClock, type Clock } from '../../src/platform/clock.ts';
import type { DeliverMission } from '../../src/protocol/daemon-api.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.ts';
import type { MissionLogEntry, MissionReport, MissionResult } from '../../src/protocol/mission.ts';
import { Project, Session } from '../../src/protocol/model.ts';
import { FakeDaemon } from './fake-daemon.ts';
import type { TestHub } from './hub.ts';

export class MissionMachine {
  readonly id: string;
  readonly daemon: FakeDaemon;
  readonly #hub: TestHub;
  readonly #clock: Clock;
  readonly #logged = new Map<string, number>();
  #sessions: Session[] = [];
  #reports = 0;

  static async start(hub: TestHub, id: string, projects: readonly string[], clock = systemClock) {
    const daemon = await FakeDaemon.start(id, '', clock);
    daemon.secret = await hub.hub.admitLocal({ id, displayName: id, daemonUrl: daemon.url });
    const machine = new MissionMachine(hub, daemon, clock);
    await hub.hub.services.registry.hello(id, {
      ...{ protocol: PROTOCOL_VERSION, version: '1.0.0', epoch: 'daemon-epoch', displayName: id, description: '' },
      ...{ daemonUrl: daemon.url, sessions: [], missions: [], dialogs: [] },
      projects: projects.map((name) => Project.parse({ id: name, path: `/home/ada/${name}` })),
      agents: [{ name: 'claude', version: '2.1.329', runtimes: ['terminal', 'headless'] }],
    });
    return machine;
  }

  private constructor(hub: TestHub, daemon: FakeDaemon, clock: Clock) {
    this.id = daemon.machineId;
    this.daemon = daemon;
    this.#hub = hub;
    this.#clock = clock;
  }

  stop(): Promise<void> {
    return this.daemon.close();
  }

  /** The newest mission that was ordered here. */
  get ordered(): DeliverMission {
    const mission = this.daemon.missions.at(-1);
    if (mission === undefined) throw new Error(`nothing was ordered from ${this.id}`);
    return mission;
  }

  /** Its agent is there, as a session that can be spoken to. */
  async runs(mission: DeliverMission, session = 'c0ffee00-1111'): Promise<void> {
    const { missionId, run, spec } = mission;
    const known = Session.parse({
      ...{ id: session, project: spec.project, agent: 'claude', cwd: `/home/ada/${spec.project}`, state: 'working' },
      ...{ stateSince: this.#now(), startedAt: this.#now(), managed: true, mission: missionId, rung: 'hooks' },
    });
    this.#sessions = [...this.#sessions.filter(({ id }) => id !== session), known];
    await this.#hub.hub.services.registry.sessionsChanged(this.id, this.#sessions);
    await this.reports({ missionId, run, state: 'starting' });
    await this.reports({ missionId, run, state: 'running', session });
  }

  async reports(report: Omit<MissionReport, 'news' | 'at' | 'number'>): Promise<void> {
    this.#reports += 1;
    const news = { news: 'report' as const, number: this.#reports, at: this.#now(), ...report };
    await this.#hub.hub.services.missions.applyNews(this.id, [news]);
  }

  /** The next line of its log. */
  async works(mission: DeliverMission, entry: Pick<MissionLogEntry, 'kind' | 'label'> & Partial<MissionLogEntry>) {
    const { missionId, run } = mission;
    const known = Math.max(this.#logged.get(missionId) ?? 0, mission.logSeq);
    const seq = known + 1;
    this.#logged.set(missionId, seq);
    const entries = [{ seq, run, at: this.#now(), ...entry }];
    await this.#hub.hub.services.missions.applyNews(this.id, [{ news: 'log', missionId, entries }]);
  }

  async completes(mission: DeliverMission, text: string, extra: Partial<MissionResult> = {}): Promise<void> {
    const result = { text, cut: false, isError: false, exitCode: 0, durationMs: 61_000, ...extra };
    await this.reports({ missionId: mission.missionId, run: mission.run, state: 'completed', result });
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
