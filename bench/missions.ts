/**
 * Missions through the whole product: from an operator's start to the agent's process and to the first entry of its log at the hub, with an agent that does nothing but speak and
 * with the real Claude Code; and a terminal through hub and daemon: how soon a watcher sees it, how soon what is printed is there. All clocks are this machine's.
 */
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { AgentsResponse } from '../src/protocol/machine-api.ts';
import { missionIsOver } from '../src/protocol/mission-life.ts';
import { Mission, MissionLogPage, type MissionLogEntry } from '../src/protocol/mission.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from '../test/agents/claude-session.ts';
import { ScriptedModel } from '../test/agents/scripted-model.ts';
import { Mesh } from '../test/support/mesh.ts';
import { samples, timed, type Figure } from './figures.ts';

/** Says when it was born and, every 50 ms until its mission's time is over, what time it is (nanoseconds). */
const SPEAKER = `#!/bin/sh
[ "$1" = --version ] && echo 1.0.0 && exit
echo "born=$(date +%s%N)"
case "$1" in *watched*) ;; *) exit ;; esac
i=0
while [ $i -lt 1200 ]; do sleep 0.05; echo "t=$(date +%s%N)"; i=$((i+1)); done
`;

export async function missionFigures(quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 3 : 15;
  return [...(await speakerFigures(rounds)), ...(await claudeFigures(quick ? 2 : 8))];
}

async function speakerFigures(rounds: number): Promise<Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'bench-missions-'));
  const command = join(root, 'speaker');
  await writeFile(command, SPEAKER);
  await chmod(command, 0o755);
  const bench = await Bench.start(root, { name: 'speaker', command });
  try {
    const launches: Launch[] = [];
    for (let round = 0; round <= rounds; round += 1) launches.push(await bench.launch('speak'));
    // The first one finds nothing in any cache.
    const warm = launches.slice(1);
    const born = samples(warm.map((one) => one.born ?? Number.NaN));
    const heard = samples(warm.map((one) => one.heard));
    return [
      { what: 'mission started → its agent’s process runs, headless, p50', value: born.p50, unit: 'ms' },
      { what: 'mission started → the first entry of its log at the hub, p50', value: heard.p50, unit: 'ms' },
      { what: 'the same, slowest', value: heard.p99, unit: 'ms' },
      ...(await bench.terminalFigures(rounds)),
    ];
  } finally {
    await bench.stop();
    await rm(root, { recursive: true, force: true });
  }
}

async function claudeFigures(rounds: number): Promise<Figure[]> {
  const [version] = CLAUDE_VERSIONS;
  const command = claudeProgram(version);
  if (command === undefined) {
    console.error(
      `missions: Claude Code ${version} was not measured: it is not installed (npm ci --prefix test/agents)`,
    );
    return [];
  }
  const home = new ClaudeHome('bench-missions');
  const model = await ScriptedModel.start();
  model.on({ when: /./, reply: { say: 'DONE' } });
  const cwd = join(home.path, 'work');
  home.trust(cwd);
  const env = {
    HOME: home.path,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: home.key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    IS_SANDBOX: '1',
  };
  const bench = await Bench.start(home.path, { name: 'claude', command, cwd, env });
  try {
    const launches: Launch[] = [];
    for (let round = 0; round <= rounds; round += 1) launches.push(await bench.launch(`round ${round}`));
    const warm = launches.slice(1);
    const what = `mission of Claude Code ${version}, headless: started →`;
    return [
      { what: `${what} running, p50`, value: samples(warm.map((one) => one.running)).p50, unit: 'ms' },
      { what: `${what} the first entry of its log, p50`, value: samples(warm.map((one) => one.heard)).p50, unit: 'ms' },
    ];
  } finally {
    await bench.stop();
    await model.stop();
    home.remove();
  }
}

/** Milliseconds after an operator's start was sent. */
interface Launch {
  /** The agent's own word. */
  readonly born: number | undefined;
  readonly running: number;
  readonly heard: number;
}

interface BenchAgent {
  readonly name: string;
  readonly command: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** One mesh whose machine starts one agent in one project. */
class Bench {
  readonly #mesh: Mesh;

  private constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  static async start(root: string, { name, command, cwd = join(root, 'work'), env = {} }: BenchAgent): Promise<Bench> {
    await mkdir(cwd, { recursive: true });
    const mesh = await Mesh.start({
      machines: ['alpha'],
      daemonConfig: `agent_launcher:\n  keep_open: 0\n  agents:\n    ${name}: { command: ${command} }\nprojects:\n  - { id: app, path: ${cwd}, agent_command: ${name} }\n`,
      daemonEnv: () => env,
    });
    for (;;) {
      const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
      if (agents.some(({ address }) => address === 'alpha/app')) return new Bench(mesh);
      await pause(20);
    }
  }

  stop(): Promise<void> {
    return this.#mesh.stop();
  }

  async launch(text: string): Promise<Launch> {
    const start = Date.now();
    const { id } = await this.#begin(text, 'headless');
    let running: number | undefined;
    for (;;) {
      const mission = await this.#mission(id);
      const begun = mission.state !== 'queued' && mission.state !== 'starting';
      if (begun) running ??= Date.now() - start;
      const said = (await this.#log(id)).find(({ kind }) => kind !== 'state' && kind !== 'note');
      if (said !== undefined && running !== undefined) {
        const heard = Date.now() - start;
        const nanoseconds = /born=(\d+)/.exec(said.label)?.[1];
        await this.#until(id, (one) => missionIsOver(one.state));
        return { born: nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6 - start, running, heard };
      }
      if (missionIsOver(mission.state)) throw new Error(`it is ${mission.state}: ${mission.reason ?? ''}`);
      await pause(2);
    }
  }

  async terminalFigures(rounds: number): Promise<Figure[]> {
    const { id } = await this.#begin('to be watched', 'terminal');
    const { session } = await this.#until(id, (one) => one.state === 'running' && one.session !== undefined);
    const path = `/api/operator/terminals/alpha/${session ?? ''}`;
    const attaching: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      attaching.push(
        await timed(async () => {
          const socket = await this.#watch(path);
          await frame(socket);
          socket.close();
        }),
      );
    }
    const socket = await this.#watch(path);
    const late: number[] = [];
    while (late.length < rounds * 5) {
      const { data, isBinary } = await frame(socket);
      const at = Date.now();
      const told = isBinary ? /t=(\d+)/.exec(data.subarray(8).toString('latin1'))?.[1] : undefined;
      if (told !== undefined) late.push(at - Number(told) / 1e6);
    }
    socket.close();
    await this.#mesh.operator.call('POST', `/missions/${id}/cancel`, Mission, {});
    await this.#until(id, (one) => missionIsOver(one.state));
    const [attach, stream] = [samples(attaching), samples(late)];
    return [
      { what: 'a terminal is watched through the hub: connect → its picture, p50', value: attach.p50, unit: 'ms' },
      { what: 'the same, slowest', value: attach.p99, unit: 'ms' },
      { what: 'printed by the agent → at a watcher through daemon and hub, p50', value: stream.p50, unit: 'ms' },
      { what: 'the same, p99', value: stream.p99, unit: 'ms' },
    ];
  }

  async #watch(path: string): Promise<WebSocket> {
    const { hubKey, hubSocket } = this.#mesh.hub.paths;
    const authorization = `Bearer ${(await readFile(hubKey, 'utf8')).trim()}`;
    return new WebSocket(`ws+unix://${hubSocket}:${path}`, { headers: { authorization } });
  }

  #begin(text: string, runtime: 'headless' | 'terminal'): Promise<Mission> {
    const body = { machine: 'alpha', project: 'app', text, runtime };
    return this.#mesh.operator.call('POST', '/missions', Mission, body);
  }

  #mission(id: string): Promise<Mission> {
    return this.#mesh.operator.call('GET', `/missions/${id}`, Mission);
  }

  async #until(id: string, fits: (mission: Mission) => boolean): Promise<Mission> {
    for (;;) {
      const mission = await this.#mission(id);
      if (fits(mission)) return mission;
      await pause(5);
    }
  }

  async #log(id: string): Promise<readonly MissionLogEntry[]> {
    return (await this.#mesh.operator.call('GET', `/missions/${id}/log?limit=50`, MissionLogPage)).entries;
  }
}

async function frame(socket: WebSocket): Promise<{ readonly data: Buffer; readonly isBinary: boolean }> {
  const heard: unknown[] = await once(socket, 'message');
  const [data, isBinary] = heard;
  if (!Buffer.isBuffer(data)) throw new Error('a frame is a buffer');
  return { data, isBinary: isBinary === true };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
