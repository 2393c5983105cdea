/**
 * From the moment in which a real Claude Code asks (its PermissionRequest hook fires) to the card in the hub. Everything is as installed: hub, daemon, the shell hook; the model is
 * scripted. The moment is told by a second hook, an HTTP one of the bench itself, which fires beside ours and says nothing.
 */
import { EventEmitter, on } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { Approval } from '../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, ClaudeSession } from '../test/agents/claude-session.ts';
import type { ClaudeVersion } from '../test/agents/claude-session.ts';
import { ScriptedModel } from '../test/agents/scripted-model.ts';
import { Mesh } from '../test/support/mesh.ts';
import { samples, type Figure } from './figures.ts';
import { whatIsMissing } from './wake.ts';

const WARM_UP = 2;
const MODES: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };

export async function permissionFigures(quick: boolean): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const version of CLAUDE_VERSIONS) {
    const missing = whatIsMissing(version);
    if (missing === undefined) figures.push(...(await asksOf(version, quick ? 3 : 20)));
    else console.error(`permission: Claude Code ${version} was not measured: ${missing}`);
  }
  return figures;
}

async function asksOf(version: ClaudeVersion, rounds: number): Promise<Figure[]> {
  const home = new ClaudeHome('bench');
  const model = await ScriptedModel.start();
  const witness = await Witness.start();
  const mesh = await Mesh.start({ machines: ['alpha'], daemonEnv: () => ({ HOME: home.path }) });
  let session: ClaudeSession | undefined;
  try {
    const cwd = join(home.path, 'work');
    home.trust(cwd);
    home.settings({ hooks: { PermissionRequest: [{ hooks: [{ type: 'http', url: witness.url }] }] } });
    const installed = await mesh.daemon('alpha').cli(['hooks', 'install']);
    if (installed.exitCode !== 0) throw new Error(installed.stderr);
    const args = ['--permission-mode', MODES[version]];
    session = await ClaudeSession.start({ home, version, cwd, modelUrl: model.url, args });
    const times: number[] = [];
    for (let round = 0; round < WARM_UP + rounds; round += 1)
      times.push(await ask(mesh, model, session, witness, round));
    const { p50, p99 } = samples(times.slice(WARM_UP));
    const what = `Claude Code ${version} asks for a permission → its card is in the hub`;
    return [
      { what: `${what}, p50`, budget: 50, value: p50, unit: 'ms' },
      { what: 'the same, slowest', value: p99, unit: 'ms' },
    ];
  } finally {
    await session?.end();
    await mesh.stop();
    await model.stop();
    await witness.stop();
    home.remove();
  }
}

async function ask(
  mesh: Mesh,
  model: ScriptedModel,
  session: ClaudeSession,
  witness: Witness,
  round: number,
): Promise<number> {
  model.on({ when: ({ toolResults }) => toolResults.length > 0, times: 1, reply: { say: `OVER-${round}` } });
  const command = `touch made-${round}`;
  model.on({ when: `round-${round}-please`, times: 1, reply: { tool: 'Bash', input: { command } } });
  await session.prompt(`round-${round}-please`);
  const [card, asked] = await Promise.all([cardOf(mesh, command), witness.next()]);
  await mesh.operator.decide(card, 'allow');
  await session.shows(new RegExp(`OVER-${round}`));
  // Both hooks fire in the same moment and neither waits for the other: a card may be there before the witness heard anything.
  return Math.max(0, Date.parse(card.createdAt) - asked);
}

async function cardOf(mesh: Mesh, command: string): Promise<Approval> {
  for (;;) {
    const pending = await mesh.operator.pending();
    const found = pending.find(({ subject }) => subject.kind === 'tool' && subject.input.includes(command));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Notes when the agent's hooks fire, each of them once. */
class Witness {
  readonly url: string;
  readonly #server: Server;
  readonly #asks: AsyncIterator<unknown[]>;

  private constructor(server: Server, heard: EventEmitter, port: number) {
    this.url = `http://127.0.0.1:${port}/asked`;
    this.#server = server;
    this.#asks = on(heard, 'asked');
  }

  static async start(): Promise<Witness> {
    const heard = new EventEmitter();
    const server = createServer((_request, response) => {
      heard.emit('asked', Date.now());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Witness(server, heard, address.port);
  }

  /** When the next one fired, heard already or not yet. */
  async next(): Promise<number> {
    const asked = await this.#asks.next();
    const at: unknown = asked.done === true ? undefined : asked.value[0];
    if (typeof at !== 'number') throw new Error('the witness was stopped');
    return at;
  }

  async stop(): Promise<void> {
    await this.#asks.return?.();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
