/**
 * The whole product on real parts: a hub and two daemons from `dist/`, a real Claude Code on each machine (its own HOME, the hooks installed by
 * `intercom hooks install`), one scripted model behind both. Cards can be answered in the terminal, in Telegram (emulated) or in a browser.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import type { Approval, SessionState } from '../../src/protocol/model.ts';
import { AgentsResponse } from '../../src/protocol/machine-api.ts';
import { Trace } from '../../src/protocol/model.ts';
import { Mesh } from '../support/mesh.ts';
import type { ShownMessage } from '../support/telegram-emulator/chats.ts';
import type { TelegramEmulator } from '../support/telegram-emulator/emulator.ts';
import { ClaudeHome, ClaudeSession } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { endManagedAgents } from './managed-agents.ts';
import { until } from './mission-rig.ts';
import { CHAT, operatorsTelegram } from './places.ts';
import { ScriptedModel } from './scripted-model.ts';
import type { ModelReply, ModelRequest } from './scripted-model.ts';

export const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };

const SIDES = ['laptop', 'server'] as const;
export type Side = (typeof SIDES)[number];
const PROJECT: Readonly<Record<Side, string>> = { laptop: 'web', server: 'api' };

export class Spine {
  readonly version: ClaudeVersion;
  readonly mesh: Mesh;
  readonly model: ScriptedModel;
  readonly telegram: TelegramEmulator;
  readonly #homes: Readonly<Record<Side, ClaudeHome>>;
  readonly #sessions: ClaudeSession[] = [];

  /** `claudeSettings` goes into the settings of the server's side before the hooks are added. */
  static async start(
    version: ClaudeVersion,
    claudeSettings: Readonly<Record<string, unknown>> = {},
    options: { readonly daemonConfig?: string; readonly policy?: string } = {},
  ): Promise<Spine> {
    const homes = { laptop: new ClaudeHome('laptop'), server: new ClaudeHome('server') };
    const model = await ScriptedModel.start();
    const { telegram, hubEnv } = await operatorsTelegram();
    const mesh = await Mesh.start({
      machines: ['laptop', 'server'],
      hubEnv,
      ...options,
      // What a person's own shell would give to the agents that the daemon starts.
      daemonEnv: (machine) => {
        const home = homes[machine === 'laptop' ? 'laptop' : 'server'];
        return {
          HOME: home.path,
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: home.key,
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          DISABLE_AUTOUPDATER: '1',
          IS_SANDBOX: '1',
        };
      },
    });
    const spine = new Spine(version, mesh, model, telegram, homes);
    await spine.#prepare('laptop', {});
    await spine.#prepare('server', claudeSettings);
    // The hub hears of the projects in a moment; until then it knows no such address.
    await until(async () => {
      const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
      const known = new Set(agents.map(({ address }) => address));
      return known.has('laptop/web') && known.has('server/api') ? true : undefined;
    });
    return spine;
  }

  private constructor(
    version: ClaudeVersion,
    mesh: Mesh,
    model: ScriptedModel,
    telegram: TelegramEmulator,
    homes: Readonly<Record<Side, ClaudeHome>>,
  ) {
    this.version = version;
    this.mesh = mesh;
    this.model = model;
    this.telegram = telegram;
    this.#homes = homes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sessions.splice(0).map((session) => session.end()));
    for (const side of SIDES) await endManagedAgents(this.mesh.daemon(side).local({ cwd: this.cwd(side) }));
    await this.mesh.stop();
    await this.model.stop();
    await this.telegram.stop();
    for (const home of Object.values(this.#homes)) home.remove();
  }

  cwd(side: Side): string {
    return join(this.#homes[side].path, PROJECT[side]);
  }

  /** A real session in the side's project, once its daemon knows it. */
  async claude(
    side: Side,
    args: readonly string[] = ['--permission-mode', MANUAL[this.version]],
  ): Promise<ClaudeSession> {
    const session = await ClaudeSession.start({
      home: this.#homes[side],
      version: this.version,
      cwd: this.cwd(side),
      modelUrl: this.model.url,
      args,
    });
    this.#sessions.push(session);
    await this.sessionOf(side, session);
    return session;
  }

  /** The id of a session, as its daemon says it: waits until the daemon lists it. */
  async sessionOf(side: Side, session: ClaudeSession): Promise<string> {
    const local = this.mesh.daemon(side).local({ cwd: this.cwd(side) });
    for (;;) {
      const found = (await local.status()).sessions.find((one) => one.pid === session.pid && one.state !== 'starting');
      if (found !== undefined) return found.id;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The model of one side: what it answers when `when` is new to it. */
  when(side: Side, when: RegExp, reply: ModelReply | ((request: ModelRequest) => ModelReply), times?: number): void {
    const key = this.#homes[side].key;
    this.model.on({
      when: (request) => request.key === key && when.test(request.news),
      reply,
      ...(times === undefined ? {} : { times }),
    });
  }

  /** The model of one side: what it answers to the result of a tool. The first request of a session holds the skill's text, so words alone do not tell. */
  afterTool(side: Side, what: RegExp, reply: ModelReply): void {
    const key = this.#homes[side].key;
    this.model.on({
      when: (request) => request.key === key && request.toolResults.length > 0 && what.test(request.news),
      reply,
    });
  }

  /** The first request of a side's model in which `what` is new. */
  heard(side: Side, what: RegExp): Promise<ModelRequest> {
    const key = this.#homes[side].key;
    return this.model.request((request) => request.key === key && what.test(request.news));
  }

  /** How often a message was brought to a side's model. Its id alone is also in the results of tools that speak of it. */
  countHeard(side: Side, messageId: string): number {
    const key = this.#homes[side].key;
    const frame = `<intercom-message id="${messageId}"`;
    return this.model.requests.filter((request) => request.key === key && request.news.includes(frame)).length;
  }

  /** The next card about a message whose text holds `text`. */
  async card(text: string): Promise<Approval> {
    for (;;) {
      const found = (await this.mesh.operator.pending()).find(
        (one) => 'body' in one.subject && one.subject.body.includes(text),
      );
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** A message from the laptop's project, without an agent there; its id. */
  async send(body: string, to = 'server/api', threadId?: string): Promise<string> {
    const sender = this.mesh.daemon('laptop').local({ cwd: this.cwd('laptop') });
    const thread = threadId === undefined ? {} : { threadId };
    return (await sender.submit({ kind: 'send', to, body, ...thread })).id;
  }

  /** Allows the message with this text in the terminal; its id. */
  async allow(text: string): Promise<string> {
    const card = await this.card(text);
    await this.mesh.operator.decide(card, 'allow');
    return messageOf(card);
  }

  /** A turn of a session that only says something. */
  async turn(session: ClaudeSession, side: Side, words: string): Promise<void> {
    const answer = `HEARD ${words.toUpperCase()}`;
    this.when(side, new RegExp(words), { say: answer }, 1);
    await session.prompt(words);
    await session.shows(new RegExp(answer), 60_000);
    await this.state(side, await this.sessionOf(side, session), 'idle');
  }

  /** Waits until the daemon says that a session is in this state. */
  async state(side: Side, id: string, state: SessionState): Promise<void> {
    const local = this.mesh.daemon(side).local({ cwd: this.cwd(side) });
    while (!(await local.status()).sessions.some((one) => one.id === id && one.state === state)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the doorbell's waiters of a side, as a person who tidies up processes might: its idle sessions are deaf until their next turn. */
  async endWaiters(side: Side): Promise<void> {
    const script = join(this.mesh.daemon(side).paths.hooks, 'intercom-doorbell.sh');
    for (;;) {
      const { stdout } = await execa('ps', ['-eo', 'pid=,args=']);
      const waiters = stdout.split('\n').filter((line) => line.includes(script));
      for (const line of waiters) process.kill(Number(line.trim().split(' ')[0]), 'SIGKILL');
      if (waiters.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What `intercom trace` prints on the hub holds these, in this order. */
  async traceTells(messageId: string, ...parts: readonly RegExp[]): Promise<void> {
    const { stdout, stderr } = await this.mesh.hub.cli(['trace', messageId]);
    let rest = stdout;
    for (const part of parts) {
      const found = part.exec(rest);
      if (found === null) throw new Error(`trace does not tell ${String(part)} in its place:\n${stdout}${stderr}`);
      rest = rest.slice(found.index + found[0].length);
    }
  }

  /** What the bot shows in the operators' chat, once it holds `what`. */
  async inTelegram(what: RegExp, buttons?: 'with buttons'): Promise<ShownMessage> {
    for (;;) {
      const found = this.telegram
        .messages(CHAT)
        .findLast((one) => what.test(one.content.text) && (buttons === undefined || one.buttons.length > 0));
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  trace(messageId: string): Promise<Trace> {
    return this.mesh.operator.call('GET', `/messages/${messageId}/trace`, Trace);
  }

  /** Waits until a message is in one of the states. */
  async reaches(messageId: string, ...states: readonly string[]): Promise<Trace> {
    for (;;) {
      const trace = await this.trace(messageId);
      if (states.includes(trace.message.state)) return trace;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async #prepare(side: Side, settings: Readonly<Record<string, unknown>>): Promise<void> {
    const home = this.#homes[side];
    home.trust(this.cwd(side));
    // The tools of intercom need no dialog here; everything else asks as it does for its user.
    home.settings({ permissions: { allow: ['mcp__intercom'] }, ...settings });
    const installed = await this.mesh.daemon(side).cli(['hooks', 'install']);
    if (installed.exitCode !== 0) throw new Error(`hooks install failed:\n${installed.stdout}\n${installed.stderr}`);
    await this.mesh
      .daemon(side)
      .local({ cwd: this.cwd(side) })
      .whoami();
  }
}

/** The message that a card is about. */
export function messageOf(card: Approval): string {
  if (!('messageId' in card.subject)) throw new Error('a card of a message names it');
  return card.subject.messageId;
}

/** The thread id in a delivered message. */
export function threadIn(request: ModelRequest): string {
  return /thr_[0-9A-Z]{26}/.exec(request.news)?.[0] ?? 'no thread';
}

export function chat(to: string, message: string): ModelReply {
  return { tool: 'mcp__intercom__intercom_chat', input: { to, message } };
}

export function reply(request: ModelRequest, message: string): ModelReply {
  return { tool: 'mcp__intercom__intercom_reply', input: { thread_id: threadIn(request), message } };
}
