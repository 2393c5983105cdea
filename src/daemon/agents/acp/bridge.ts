/**
 * One session of an agent that speaks the Agent Client Protocol, driven by plain lines (lines.ts): prompts in, what it does out, its permission
 * requests to whoever answers the runner's hooks.
 *
 * Invariants: one prompt at a time, in the order given; a text never becomes one of the agent's own commands; a permission that nobody answers, or whose
 * answer cannot be read, is refused; what the agent said before (a session that is loaded again) is not told as new.
 */
import { z } from 'zod';
import type { BridgeConfig, BridgeLine, Prompt } from './lines.ts';
import { BridgeInput } from './lines.ts';
import { refusal, selectOption, toPermissionHook } from './permission.ts';
import { RpcFailure, RpcPeer } from './rpc.ts';
import {
  ACP_VERSION,
  InitializeResult,
  NewSessionResult,
  PermissionRequest,
  SessionUpdate,
  detailOf,
  readPromptResult,
} from './words.ts';
import type { ToolCall } from './words.ts';

export interface BridgeParts {
  readonly config: BridgeConfig;
  /** The bridge's own environment, for what its MCP servers are given of it. */
  readonly env: NodeJS.ProcessEnv;
  /** One line to the agent's input. */
  readonly toAgent: (line: string) => void;
  readonly print: (line: BridgeLine) => void;
  /** Asks the runner's endpoint; undefined: nobody answered. */
  hook(event: string, payload: unknown): Promise<string | undefined>;
}

/** A tool that has not ended. */
interface Running {
  kind: string;
  title: string;
  /** Its beginning was printed. */
  told: boolean;
}

export class AcpBridge {
  readonly #parts: BridgeParts;
  readonly #rpc: RpcPeer;
  readonly #waiting: Prompt[] = [];
  readonly #tools = new Map<string, Running>();
  #session: string | undefined;
  #replaying = false;
  #busy = false;
  /** No more prompts will come. */
  #inputEnded = false;
  #text = '';
  /** The last thing that it said as a whole. */
  #lastText = '';
  /** Prompts that failed before anything came of them: the agents forget those, so the next one brings them along. */
  #dropped: string[] = [];
  #didSomething = false;
  #costUsd: number | undefined;
  #failed = false;
  #onIdle: () => void = () => undefined;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#rpc = new RpcPeer({
      write: (line) => parts.toAgent(line),
      onRequest: (method, params) => this.#request(method, params),
      onNotification: (method, params) => this.#notification(method, params),
      onNoise: (line) => parts.print({ event: 'note', text: line.slice(0, 2000) }),
    });
  }

  /** A line of the agent's output. */
  fromAgent(line: string): void {
    this.#rpc.take(line);
  }

  /** The agent is gone. */
  agentGone(): void {
    this.#rpc.close(new Error(`${this.#parts.config.agent} ended.`));
  }

  /** The last turn, or the start, failed: what the exit status says. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Starts or loads the session. False: that failed, and was told. */
  async open(): Promise<boolean> {
    const { config, print } = this.#parts;
    try {
      const clientCapabilities = { fs: { readTextFile: false, writeTextFile: false }, terminal: false };
      const hello = InitializeResult.parse(
        await this.#rpc.request('initialize', { protocolVersion: ACP_VERSION, clientCapabilities }),
      );
      if (hello.protocolVersion !== ACP_VERSION) throw new Error(`it speaks version ${hello.protocolVersion}`);
      const model = await this.#openSession();
      const session = this.#session ?? '';
      if (config.mode !== undefined)
        await this.#rpc.request('session/set_mode', { sessionId: session, modeId: config.mode });
      print({ event: 'session', session, ...(model === undefined ? {} : { model }) });
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** A line of the bridge's own input. */
  take(line: string): void {
    const input = parseInput(line);
    if (input === undefined) return;
    if ('interrupt' in input) {
      this.interrupt();
      return;
    }
    this.#waiting.push(input);
    this.#pump();
  }

  /** Resolves when all that was said is dealt with; nothing more is taken. */
  finish(): Promise<void> {
    this.#inputEnded = true;
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#pump();
    });
  }

  /** Ends the turn, not the agent. What waits stays. */
  interrupt(): void {
    if (this.#session !== undefined && this.#busy) this.#rpc.notify('session/cancel', { sessionId: this.#session });
  }

  async #openSession(): Promise<string | undefined> {
    const { config, env } = this.#parts;
    const mcpServers = config.mcpServers.map(({ name, command, args, environment }) => ({
      name,
      command,
      args,
      env: environment.flatMap((variable) => {
        const value = env[variable];
        return value === undefined ? [] : [{ name: variable, value }];
      }),
    }));
    if (config.resume === undefined) {
      const opened = NewSessionResult.parse(await this.#rpc.request('session/new', { cwd: config.cwd, mcpServers }));
      if (opened.sessionId === undefined) throw new Error('it gave its session no name');
      this.#session = opened.sessionId;
      return opened.models?.currentModelId;
    }
    this.#session = config.resume;
    this.#replaying = true;
    const loaded = await this.#rpc.request('session/load', {
      sessionId: config.resume,
      cwd: config.cwd,
      mcpServers,
    });
    const parsed = NewSessionResult.safeParse(loaded);
    return parsed.data?.models?.currentModelId;
  }

  #pump(): void {
    if (this.#busy || this.#session === undefined) return;
    const next = this.#waiting.shift();
    if (next !== undefined) void this.#turn(this.#session, next);
    else if (this.#inputEnded) this.#onIdle();
  }

  async #turn(session: string, input: Prompt): Promise<void> {
    const { print } = this.#parts;
    this.#busy = true;
    this.#replaying = false;
    this.#failed = false;
    this.#lastText = '';
    this.#didSomething = false;
    print({ event: 'turn_started', prompt: input.say, ...(input.id === undefined ? {} : { id: input.id }) });
    try {
      const prompt = [...this.#dropped, input.say].map((text) => ({ type: 'text', text: asText(text) }));
      const { stop, usage } = readPromptResult(
        await this.#rpc.request('session/prompt', { sessionId: session, prompt }),
      );
      this.#dropped = [];
      this.#flush();
      const costUsd = this.#costUsd;
      print({
        event: 'turn_ended',
        stop,
        text: this.#lastText,
        ...(usage === undefined ? {} : { usage }),
        ...(costUsd === undefined ? {} : { costUsd }),
      });
      this.#failed = stop !== 'end_turn';
    } catch (error) {
      this.#flush();
      this.#dropped = this.#forgotten(input.say);
      this.#fail(error);
    }
    this.#tools.clear();
    this.#busy = false;
    this.#pump();
  }

  /** What the agent will not remember of the prompts since something last came of one. */
  #forgotten(failed: string): string[] {
    return this.#didSomething ? [] : [...this.#dropped, failed];
  }

  #fail(error: unknown): void {
    this.#failed = true;
    const { code, text } = explain(error);
    this.#parts.print({ event: 'failed', text, ...(code === undefined ? {} : { code }) });
  }

  // ── what the agent says ────────────────────────────────────────────────────────────────────────────────────────────────

  #notification(method: string, params: unknown): void {
    if (method !== 'session/update') return;
    const parsed = SessionUpdate.safeParse(params);
    if (!parsed.success || parsed.data.sessionId !== this.#session || this.#replaying) return;
    const { update } = parsed.data;
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
        this.#didSomething = true;
        this.#text += update.content.text;
        return;
      case 'tool_call':
      case 'tool_call_update':
        this.#tool(update);
        return;
      case 'usage_update':
        if (update.cost?.currency === 'USD') this.#costUsd = update.cost.amount;
        return;
      case 'other':
        return;
    }
  }

  /** `asked`: it wants a permission for it. Some announce a tool by its name first and say later what it is about: that waits. */
  #tool(call: ToolCall, asked = false): void {
    this.#didSomething = true;
    this.#flush();
    const running = this.#tools.get(call.toolCallId) ?? { kind: 'other', title: 'a tool', told: false };
    running.kind = call.kind ?? running.kind;
    running.title = call.title ?? running.title;
    this.#tools.set(call.toolCallId, running);
    const detail = detailOf(call);
    const { kind, title } = running;
    const line = { call: call.toolCallId, kind, title, ...(detail === undefined ? {} : { detail }) };
    if (!running.told && (asked || call.status !== 'pending')) {
      running.told = true;
      this.#parts.print({ event: 'tool', ...line });
    }
    if (call.status !== 'completed' && call.status !== 'failed') return;
    this.#tools.delete(call.toolCallId);
    this.#parts.print({ event: 'tool_done', ...line, ok: call.status === 'completed' });
  }

  #flush(): void {
    const text = this.#text;
    this.#text = '';
    if (text.trim() === '') return;
    this.#lastText = text;
    this.#parts.print({ event: 'text', text });
  }

  #request(method: string, params: unknown): Promise<unknown> | undefined {
    return method === 'session/request_permission' ? this.#permission(params) : undefined;
  }

  async #permission(params: unknown): Promise<unknown> {
    const parsed = PermissionRequest.safeParse(params);
    if (!parsed.success || parsed.data.sessionId !== this.#session) return refusal([]);
    const request = parsed.data;
    this.#tool({ ...request.toolCall, status: 'pending' }, true);
    const answer = await this.#parts.hook('PermissionRequest', toPermissionHook(request, this.#parts.config.cwd));
    const choice = selectOption(request.options, answer);
    if (choice.note !== undefined) this.#parts.print({ event: 'note', text: choice.note });
    if (choice.interrupt) this.interrupt();
    return choice.result;
  }
}

/** The agents take a text that begins like a command for one; ours are for the model. */
function asText(text: string): string {
  return /^\s*[/$!]/.test(text) ? `Text:\n${text}` : text;
}

function parseInput(line: string): BridgeInput | undefined {
  try {
    return BridgeInput.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

const ErrorData = z.looseObject({ details: z.string().optional(), message: z.string().optional() });

function explain(error: unknown): { readonly code: number | undefined; readonly text: string } {
  if (error instanceof z.ZodError) return { code: undefined, text: 'It answered in words that we do not know.' };
  if (!(error instanceof Error)) return { code: undefined, text: 'It failed.' };
  if (!(error instanceof RpcFailure)) return { code: undefined, text: error.message };
  const data = ErrorData.safeParse(error.data).data;
  const more = data?.details ?? data?.message;
  const text = more === undefined || error.message.includes(more) ? error.message : `${error.message}: ${more}`;
  return { code: error.code, text };
}
