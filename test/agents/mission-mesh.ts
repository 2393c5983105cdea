/**
 * Missions of one real agent through the whole product: a hub and a machine from `dist/`, the agent with a HOME of its own, whatever model the test has.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { AgentsResponse, MessageStatus } from '../../src/protocol/machine-api.ts';
import type { MessageState } from '../../src/protocol/message-life.ts';
import { missionIsOver, type MissionState } from '../../src/protocol/mission-life.ts';
import { Mission, MissionLogPage } from '../../src/protocol/mission.ts';
import type { MissionRuntime } from '../../src/protocol/mission.ts';
import type { Approval, Session } from '../../src/protocol/model.ts';
import { Trace } from '../../src/protocol/model.ts';
import { Mesh } from '../support/mesh.ts';
import { endManagedAgents } from './managed-agents.ts';
import { until } from './mission-rig.ts';

export interface MissionMeshOptions {
  readonly agent: string;
  /** How it is started: a program's path. */
  readonly command: string;
  /** The directory of its project `api`. */
  readonly cwd: string;
  /** What a person's own shell would give to it. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables of `env` that are no known ones of this agent. */
  readonly passEnv?: readonly string[];
}

export class MissionMesh {
  readonly mesh: Mesh;
  readonly #options: MissionMeshOptions;

  static async start(options: MissionMeshOptions): Promise<MissionMesh> {
    const { agent, command, cwd, env, passEnv = [] } = options;
    const mesh = await Mesh.start({
      machines: ['server'],
      daemonConfig: [
        'agent_launcher:',
        '  keep_open: 0',
        '  agents:',
        `    ${agent}: { command: ${command}, pass_env: [${passEnv.join(', ')}] }`,
        'projects:',
        `  - { id: api, path: ${cwd}, agent_command: ${agent} }`,
        '',
      ].join('\n'),
      daemonEnv: () => env,
    });
    await until(async () => {
      const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
      return agents.length > 0 ? true : undefined;
    });
    return new MissionMesh(mesh, options);
  }

  private constructor(mesh: Mesh, options: MissionMeshOptions) {
    this.mesh = mesh;
    this.#options = options;
  }

  async stop(): Promise<void> {
    await endManagedAgents(this.mesh.daemon('server').local({ cwd: this.#options.cwd }));
    await this.mesh.stop();
  }

  /** As an operator. */
  async start(text: string, runtime: MissionRuntime): Promise<string> {
    const { stdout, stderr, exitCode } = await this.mesh.hub.cli([
      'missions',
      'start',
      'server/api',
      '--runtime',
      runtime,
      '--json',
      text,
    ]);
    if (exitCode !== 0) throw new Error(`it was not started:\n${stdout}\n${stderr}`);
    return Mission.parse(JSON.parse(stdout)).id;
  }

  mission(id: string): Promise<Mission> {
    return this.mesh.operator.call('GET', `/missions/${id}`, Mission);
  }

  /** Waits until it is in the state; another end is an error at once. */
  reaches(id: string, state: MissionState): Promise<Mission> {
    return until(async () => {
      const now = await this.mission(id);
      if (now.state === state) return now;
      if (!missionIsOver(now.state)) return undefined;
      throw new Error(
        `it is ${now.state}: ${now.reason ?? ''} ${now.result?.text ?? ''}\n${this.mesh.daemon('server').output}`,
      );
    });
  }

  order(id: string, what: 'cancel' | 'pause' | 'resume', body: { readonly text?: string } = {}): Promise<Mission> {
    return this.mesh.operator.call('POST', `/missions/${id}/${what}`, Mission, body);
  }

  /** Says something to its agent; the message's id. */
  async say(id: string, text: string): Promise<string> {
    return (await this.mesh.operator.call('POST', `/missions/${id}/send`, MessageStatus, { text })).id;
  }

  /** Waits until a message is in one of the states. */
  message(messageId: string, ...states: readonly MessageState[]): Promise<Trace> {
    return until(async () => {
      const trace = await this.mesh.operator.call('GET', `/messages/${messageId}/trace`, Trace);
      return states.includes(trace.message.state) ? trace : undefined;
    });
  }

  card(kind: Approval['subject']['kind']): Promise<Approval> {
    return until(async () => (await this.mesh.operator.pending()).find(({ subject }) => subject.kind === kind));
  }

  async log(id: string): Promise<readonly string[]> {
    const { entries } = await this.mesh.operator.call('GET', `/missions/${id}/log?after=0&limit=200`, MissionLogPage);
    return entries.map(({ kind, label }) => `${kind}: ${label}`);
  }

  async sessions(): Promise<readonly Session[]> {
    const status = await this.mesh.daemon('server').local({ cwd: this.#options.cwd }).status();
    return status.sessions.filter(({ agent }) => agent === this.#options.agent);
  }

  /** The session of a mission that runs, once its machine knows it. */
  session(missionId: string): Promise<Session> {
    return until(async () => (await this.sessions()).find(({ mission }) => mission === missionId));
  }

  /** Waits until no process of the group is left, and none that has the run's own directory in its command. */
  async nothingLeft(pid: number): Promise<void> {
    const runners = join(this.mesh.daemon('server').paths.state, 'runners');
    await until(async () => {
      const { stdout } = await execa('ps', ['-eo', 'pgid=,stat=,args=']);
      const left = stdout.split('\n').filter((line) => {
        const [group, state = ''] = line.trim().split(/\s+/);
        return !state.startsWith('Z') && (group === String(pid) || line.includes(runners));
      });
      return left.length === 0 ? true : undefined;
    });
  }
}
