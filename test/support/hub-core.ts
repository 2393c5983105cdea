/** A hub's core on a real store, with machines whose daemons are real HTTP servers, and time that a test moves. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePolicyFile } from '../../src/hub/approvals/policy-file.ts';
import { BUILT_IN_RULES, evaluate, scopesOf, type RuleSet } from '../../src/hub/approvals/policy.ts';
import { createHubCore, type HubCore } from '../../src/hub/core.ts';
import type { MessagingLimits } from '../../src/hub/messaging/context.ts';
import type { Actor, Notices } from '../../src/hub/services.ts';
import { HubStore } from '../../src/hub/store/hub-store.ts';
import { lastSignOfLife } from '../../src/hub/store/sign-of-life.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { HubEvent } from '../../src/protocol/events.ts';
import { newId } from '../../src/protocol/ids.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.ts';
import {
  StartMission,
  SubmitItem,
  type HelloRequest,
  type MessageStatus,
  type Receipt,
} from '../../src/protocol/machine-api.ts';
import type { AgentOffer, Mission, MissionLogEntry, MissionReport } from '../../src/protocol/mission.ts';
import type { Approval, Message, Project, Session } from '../../src/protocol/model.ts';
import { ManualClock } from './manual-clock.ts';
import { FakeDaemon } from './fake-daemon.ts';

export const OWNER: Actor = { operator: { name: 'ada', role: 'owner' }, via: 'web' };
export const OPERATOR: Actor = { operator: { name: 'bob', role: 'operator' }, via: 'telegram' };
export const VIEWER: Actor = { operator: { name: 'eve', role: 'viewer' }, via: 'web' };

/** Wall time can be set apart from the monotonic one, as by a sleep or a person. */
export class JumpingClock extends ManualClock {
  #offset = 0;

  override now(): number {
    return super.now() + this.#offset;
  }

  jump(ms: number): void {
    this.#offset += ms;
  }
}

type RaisedNotice = Parameters<Notices['raise']>[0];

export const ALLOW_ALL = 'defaults: { require_approval: never }';

export class TestHub {
  readonly folder: string;
  readonly clock: JumpingClock;
  readonly daemons = new Map<string, FakeDaemon>();
  readonly heard: HubEvent[] = [];
  /** Live ones about machines, by key. */
  readonly notices: Map<string, RaisedNotice>;
  rules: RuleSet = BUILT_IN_RULES;
  store: HubStore;
  core: HubCore;
  readonly #limits: Partial<MessagingLimits>;
  #reports = 0;

  private constructor(
    folder: string,
    clock: JumpingClock,
    store: HubStore,
    limits: Partial<MessagingLimits>,
    core: HubCore,
    notices: Map<string, RaisedNotice>,
  ) {
    this.folder = folder;
    this.clock = clock;
    this.store = store;
    this.core = core;
    this.notices = notices;
    this.#limits = limits;
  }

  static async start(policy?: string, limits: Partial<MessagingLimits> = {}): Promise<TestHub> {
    const folder = await mkdtemp(join(tmpdir(), 'hub-core-'));
    const clock = new JumpingClock();
    const store = await HubStore.open({ file: join(folder, 'hub.db'), log: silentLog() });
    const holder: { rules: RuleSet } = { rules: BUILT_IN_RULES };
    const notices = new Map<string, RaisedNotice>();
    const core = await makeCore(store, clock, limits, () => holder.rules, notices);
    const hub = new TestHub(folder, clock, store, limits, core, notices);
    Object.defineProperty(holder, 'rules', { get: () => hub.rules });
    if (policy !== undefined) hub.policy(policy);
    hub.#listen();
    await core.start();
    return hub;
  }

  policy(text: string): void {
    const parsed = parsePolicyFile(text, 'policies.yml');
    if (!parsed.ok) throw new Error(parsed.faults.map((fault) => fault.text).join('; '));
    this.rules = parsed.rules;
  }

  /** Lets a machine in and says hello for it. */
  async machine(
    id: string,
    projects: readonly string[] = ['app'],
    sessions: readonly Session[] = [],
  ): Promise<FakeDaemon> {
    const daemon = await FakeDaemon.start(id, `secret-of-${id}-0123456789`, this.clock);
    this.daemons.set(id, daemon);
    await this.store.write((transaction) =>
      this.core.registry.admit(transaction, { id, displayName: id, daemonUrl: daemon.url, secret: daemon.secret }),
    );
    await this.hello(id, projects, sessions);
    return daemon;
  }

  async hello(
    id: string,
    projects: readonly string[] = ['app'],
    sessions: readonly Session[] = [],
    more: Partial<HelloRequest> = {},
  ): Promise<void> {
    await this.core.registry.hello(id, {
      protocol: PROTOCOL_VERSION,
      version: '1.0.0',
      epoch: 'daemon-epoch',
      displayName: id,
      description: '',
      daemonUrl: this.daemons.get(id)?.url ?? 'http://127.0.0.1:1',
      projects: projects.map(projectOf),
      sessions: [...sessions],
      missions: [],
      agents: [CLAUDE],
      dialogs: [],
      ...more,
    });
  }

  beat(id: string, epoch = 'daemon-epoch'): Promise<{ hubEpoch: string; resync: boolean }> {
    return this.core.registry.heartbeat(id, { epoch, time: new Date(this.clock.now()).toISOString(), outbox: 0 });
  }

  /** Sends one message from a machine; throws what the hub refused. */
  async send(machine: string, item: Partial<SubmitItem>): Promise<MessageStatus> {
    const [result] = await this.core.messaging.submitFromMachine(machine, [this.item(item)]);
    if (result === undefined) throw new Error('no result');
    if (!result.ok) throw Object.assign(new Error(result.error.message), { code: result.error.code });
    return result.status;
  }

  item(item: Partial<SubmitItem>): SubmitItem {
    return SubmitItem.parse({
      id: newId('message'),
      fromProject: 'app',
      kind: 'send',
      body: 'hello',
      submittedAt: new Date(this.clock.now()).toISOString(),
      ...item,
    });
  }

  /** An agent of this machine asks for a mission. */
  start(machine: string, start: Partial<StartMission> = {}): Promise<Mission> {
    const request = { fromProject: 'app', machine: 'server', project: 'app', text: 'count the files', ...start };
    return this.core.missions.startFromMachine(machine, StartMission.parse(request));
  }

  /** What its machine says of a mission. */
  report(machine: string, mission: Mission, report: Partial<MissionReport>): Promise<string | undefined> {
    const at = new Date(this.clock.now()).toISOString();
    return this.core.missions
      .applyNews(machine, [
        { news: 'report', missionId: mission.id, run: 1, number: (this.#reports += 1), at, ...report },
      ])
      .then(([result]) => result);
  }

  /** The mission's log grows on its machine. */
  logNews(
    machine: string,
    mission: Mission,
    entries: readonly Partial<MissionLogEntry>[],
  ): Promise<string | undefined> {
    const at = new Date(this.clock.now()).toISOString();
    const full = entries.map((entry) => ({ seq: 1, run: 1, at, kind: 'text' as const, label: 'says', ...entry }));
    return this.core.missions
      .applyNews(machine, [{ news: 'log', missionId: mission.id, entries: full }])
      .then(([result]) => result);
  }

  /** Resolves when the mission is in this state. */
  async untilMission(id: string, fits: (mission: Mission) => boolean): Promise<Mission> {
    const event = await this.until(
      (heard) => heard.type === 'mission.changed' && heard.mission.id === id && fits(heard.mission),
    );
    if (event.type !== 'mission.changed') throw new Error('not a mission');
    return event.mission;
  }

  receipt(machine: string, messageId: string, state: Receipt['state'], more: Partial<Receipt> = {}) {
    return this.core.messaging
      .applyReceipts(machine, [{ messageId, state, at: new Date(this.clock.now()).toISOString(), ...more }])
      .then(([result]) => result);
  }

  async pending(): Promise<Approval[]> {
    return this.core.approvals.list({ state: 'pending', limit: 100 });
  }

  async allow(
    approval: Approval | undefined,
    scope: 'once' | 'mission' | 'session' | 'always' = 'once',
  ): Promise<Approval> {
    if (approval === undefined) throw new Error('nothing to allow');
    return this.core.approvals.decide(OPERATOR, approval.id, {
      verdict: 'allow',
      scope,
      shownHash: approval.shownHash,
    });
  }

  async deny(approval: Approval | undefined, reason?: string): Promise<Approval> {
    if (approval === undefined) throw new Error('nothing to deny');
    return this.core.approvals.decide(OPERATOR, approval.id, {
      verdict: 'deny',
      scope: 'once',
      shownHash: approval.shownHash,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** Resolves when an event that fits was heard (from the start on). */
  until(fits: (event: HubEvent) => boolean): Promise<HubEvent> {
    const found = this.heard.find(fits);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const stop = this.core.events.subscribe((event) => {
        if (!fits(event)) return;
        stop();
        resolve(event);
      });
    });
  }

  /** Resolves when the message is in this state. */
  async untilState(id: string, state: Message['state']): Promise<void> {
    await this.until(
      (event) => event.type === 'message.changed' && event.message.id === id && event.message.state === state,
    );
  }

  /** Moves time; what timers set off in the store is done when it resolves. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settled();
  }

  /** Everything that was queued for the store until now is on disk, and what followed from it too. */
  async settled(): Promise<void> {
    for (let round = 0; round < 5; round += 1) await this.store.write(async () => undefined);
  }

  /** Ends and opens everything again on the same file, as a restart does. */
  async restart(): Promise<void> {
    await this.core.stop();
    await this.store.close();
    this.store = await HubStore.open({ file: join(this.folder, 'hub.db'), log: silentLog() });
    this.core = await makeCore(this.store, this.clock, this.#limits, () => this.rules, this.notices);
    this.#listen();
    await this.core.start();
  }

  async close(): Promise<void> {
    await this.core.stop();
    await this.store.close();
    for (const daemon of this.daemons.values()) await daemon.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #listen(): void {
    this.core.events.subscribe((event) => void this.heard.push(event));
  }
}

async function makeCore(
  store: HubStore,
  clock: ManualClock,
  limits: Partial<MessagingLimits>,
  rules: () => RuleSet,
  notices: Map<string, RaisedNotice>,
): Promise<HubCore> {
  return createHubCore({
    store,
    clock,
    log: silentLog(),
    hubVersion: '1.0.0',
    notices: {
      raise: async (notice) => void notices.set(notice.key, notice),
      clear: async (key) => void notices.delete(key),
    },
    limits,
    policy: { evaluate: (question, grants, now) => evaluate(rules(), grants, question, now), scopesOf },
    operators: () => ['ada', 'bob', 'eve'],
    lastSign: await store.read(lastSignOfLife),
  });
}

/** What every machine of a test can start, unless told. */
export const CLAUDE: AgentOffer = { name: 'claude', version: '2.0.0', runtimes: ['terminal', 'headless'] };

export function projectOf(id: string): Project {
  return {
    id,
    description: '',
    capabilities: [],
    tags: [],
    path: `/home/x/${id}`,
    agent: 'claude',
    source: 'configured',
  };
}

export function sessionOf(id: string, project = 'app', state: Session['state'] = 'idle'): Session {
  const at = '2026-11-21T10:00:00.000Z';
  const where = { cwd: `/home/x/${project}`, agent: 'claude', managed: false, rung: 'inbox_socket' as const };
  return { id, project, state, stateSince: at, startedAt: at, ...where };
}
