/**
 * One demo agent: a small honest process that follows the script. It names its session to the daemon (as any agent without an adapter can),
 * then does everything through the MCP tools. It stops when its stdin ends, so nothing of the demo outlives the demo.
 */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { LocalClient } from '../platform/local-client.ts';
import { resolvePaths } from '../platform/paths.ts';
import { toIntercomError } from '../protocol/errors.ts';
import { hasFailed } from '../protocol/message-life.ts';
import { Cue, LINES, readLine } from './script.ts';
import type { Happening, Role } from './script.ts';
import { Toolbox } from './toolbox.ts';
import type { Outcome } from './toolbox.ts';

export interface DemoAgentOptions {
  readonly role: Role;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly pid: number;
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** How to start the MCP server: program and arguments. */
  readonly mcpCommand: readonly string[];
}

/** How often the inbox is looked at, milliseconds. Real agents are woken; these have no inbox of their own. */
const LOOK_MS = 500;
/** How long one question for a decision waits, seconds. */
const DECISION_SLICE = 20;
/** The hub hears of a new session moments after it is there. */
const UNKNOWN_TRIES = 20;

/** Plays until stdin ends. Failures are told to the demo, in words. */
export async function runDemoAgent(options: DemoAgentOptions): Promise<void> {
  const session = `demo-${options.role}-${randomBytes(4).toString('hex')}`;
  const { cwd, pid } = options;
  const client = LocalClient.at(resolvePaths(options.env), () => ({ agent: 'demo', pid, session, cwd }));
  const stage = new Stage(options);
  let tools: Toolbox | undefined;
  try {
    await client.putSession({ id: session, agent: 'demo', pid, cwd, name: LINES[options.role].name, state: 'idle' });
    tools = await Toolbox.open({ command: options.mcpCommand, env: environment(options.env, session), cwd });
    const { project, machine } = await client.whoami();
    stage.tell({ what: 'ready', address: `${machine}/${project}` });
    await play(options.role, stage, tools);
  } catch (thrown) {
    const error = toIntercomError(thrown);
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    stage.tell({ what: 'failed', text: `${error.message}${cause} ${error.next ?? ''}`.trim() });
  } finally {
    await tools?.close().catch(() => undefined);
    await client.endSession(session).catch(() => undefined);
  }
}

async function play(role: Role, stage: Stage, tools: Toolbox): Promise<void> {
  if (role === 'ada') {
    const cue = await stage.cue();
    if (cue === undefined) return;
    const text = LINES.ada.says;
    stage.tell({ what: 'sends', tool: 'intercom_chat', text });
    if (!(await follow(stage, tools, await firstWord(stage, tools, cue.to, text)))) return;
    await receive(stage, tools);
    return;
  }
  const message = await receive(stage, tools);
  if (message === undefined) return;
  const text = LINES.ben.says;
  stage.tell({ what: 'sends', tool: 'intercom_reply', text });
  await follow(stage, tools, await tools.reply(message.thread_id, text));
}

/** Tries again while the hub has not heard of the other one yet. */
async function firstWord(stage: Stage, tools: Toolbox, to: string, text: string): Promise<Outcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await tools.chat(to, text);
    const code = outcome.error?.code;
    if ((code !== 'unknown_project' && code !== 'unknown_session') || attempt >= UNKNOWN_TRIES || stage.over)
      return outcome;
    await stage.pause(LOOK_MS);
  }
}

/** Tells what becomes of a message until it is decided. True: it may go on. */
async function follow(stage: Stage, tools: Toolbox, first: Outcome): Promise<boolean> {
  let outcome = first;
  const id = first.message_id;
  if (id === undefined) {
    stage.tell({ what: 'failed', text: [outcome.error?.message, outcome.error?.next].join(' ') });
    return false;
  }
  let asked = false;
  while (outcome.state === 'held' || outcome.state === 'submitted') {
    if (outcome.state === 'held' && !asked) {
      asked = true;
      stage.tell({ what: 'held', messageId: id });
    }
    const [newer] = await Promise.race([
      Promise.all([tools.status(id, DECISION_SLICE), stage.pause(LOOK_MS)]),
      stage.ended,
    ]);
    if (newer === undefined) return false;
    // A call that failed (the daemon restarts) says nothing about the message.
    outcome = newer.state === undefined ? outcome : newer;
  }
  if (outcome.state !== undefined && hasFailed(outcome.state)) {
    stage.tell({ what: 'refused', messageId: id, text: outcome.error?.message ?? outcome.summary ?? outcome.state });
    return false;
  }
  stage.tell({
    what: 'allowed',
    messageId: id,
    asked,
    ...present('by', outcome.decided_by),
    ...present('rule', outcome.rule),
  });
  return true;
}

/** The first message that is not a notice of the hub. */
async function receive(stage: Stage, tools: Toolbox) {
  while (!stage.over) {
    for (const message of await tools.inbox().catch(() => [])) {
      if (message.kind === 'notice') continue;
      stage.tell({ what: 'received', messageId: message.message_id, from: message.from, text: message.text });
      return message;
    }
    await stage.pause(LOOK_MS);
  }
  return undefined;
}

/** The line to the demo: cues come in, happenings go out. */
class Stage {
  /** Resolves when the demo is over. */
  readonly ended: Promise<[]>;
  readonly #stdout: Writable;
  readonly #cues: Cue[] = [];
  #wake: (() => void) | undefined;
  #over = false;

  constructor(options: DemoAgentOptions) {
    this.#stdout = options.stdout;
    this.#stdout.on('error', () => undefined);
    const lines = createInterface({ input: options.stdin });
    lines.on('line', (line) => {
      const cue = readLine(Cue, line);
      if (cue !== undefined) this.#cues.push(cue);
      this.#wake?.();
    });
    this.ended = new Promise((resolve) => {
      lines.once('close', () => {
        this.#over = true;
        this.#wake?.();
        resolve([]);
      });
    });
  }

  get over(): boolean {
    return this.#over;
  }

  tell(happening: Happening): void {
    this.#stdout.write(`${JSON.stringify(happening)}\n`);
  }

  async cue(): Promise<Cue | undefined> {
    while (!this.#over && this.#cues.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#cues.shift();
  }

  /** Ends early when the demo is over. */
  async pause(ms: number): Promise<void> {
    if (this.#over) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.ended, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
    clearTimeout(timer);
  }
}

/** What the MCP server needs, and nothing of the agent that this terminal may itself belong to. */
function environment(env: NodeJS.ProcessEnv, session: string): Record<string, string> {
  const kept = ['PATH', 'HOME', 'INTERCOM_HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'TMPDIR', 'INTERCOM_LOG'];
  const entries = kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...Object.fromEntries(entries), INTERCOM_AGENT: 'demo', INTERCOM_SESSION_ID: session };
}

function present<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>>;
function present(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value };
}
