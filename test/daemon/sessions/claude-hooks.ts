/** The hooks of one Claude Code session, as its real payloads look, straight into the hook routes. */
import { readHook, readPermission, renderPermission } from '../../../src/daemon/agents/claude/hook-dialect.ts';
import type { AgentPort } from '../../../src/daemon/sessions/agent-port.ts';
import type { PermissionDesk } from '../../../src/daemon/sessions/permission-desk.ts';
import type { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';

export interface AskOptions {
  readonly suggestions?: readonly unknown[];
  readonly agentId?: string;
  readonly key?: string;
  readonly unattended?: boolean;
  readonly mission?: string;
}

export interface Asked {
  /** What the hook prints. */
  readonly text: Promise<string>;
  /** The decision in it. */
  readonly decision: Promise<unknown>;
  /** The agent drops the connection. */
  drop(): void;
}

type Dialect = Required<Pick<AgentPort, 'readPermission'>>;

export class ClaudeHooks {
  readonly #desk: PermissionDesk;
  readonly #book: LiveSessions;
  readonly #session: string;
  readonly #dialect: Dialect = { readPermission };

  constructor(desk: PermissionDesk, book: LiveSessions, session: string) {
    this.#desk = desk;
    this.#book = book;
    this.#session = session;
  }

  permission(tool: string, input: unknown, options: AskOptions = {}): Asked {
    const payload = this.#payload('PermissionRequest', {
      tool_name: tool,
      tool_input: input,
      permission_suggestions: options.suggestions ?? [],
      ...(options.agentId === undefined ? {} : { agent_id: options.agentId }),
    });
    return this.#ask('PermissionRequest', payload, options);
  }

  form(schema: unknown, message: string, options: AskOptions = {}): Asked {
    const payload = this.#payload('Elicitation', {
      mcp_server_name: 'orders',
      message,
      mode: 'form',
      requested_schema: schema,
    });
    return this.#ask('Elicitation', payload, options);
  }

  #ask(event: string, payload: object, options: AskOptions): Asked {
    const abort = new AbortController();
    const facts = readHook(event, payload);
    const ask = this.#dialect.readPermission(event, payload);
    const session = this.#book.get(this.#session);
    if (facts === undefined || session === undefined) throw new Error('no such session');
    const text =
      ask === undefined
        ? Promise.resolve('')
        : this.#desk.ask({
            session,
            ask,
            facts,
            render: (answer) => renderPermission(event, payload, answer),
            key: options.key,
            signal: abort.signal,
            unattended: options.unattended === true,
            mission: options.mission,
          });
    return { text, decision: text.then(decisionIn), drop: () => abort.abort() };
  }

  begins(tool: string, input: unknown, id: string, agentId?: string): void {
    this.tell('PreToolUse', { tool_name: tool, tool_input: input, tool_use_id: id, agent_id: agentId });
  }

  done(tool: string, input: unknown, id?: string, agentId?: string): void {
    this.tell('PostToolUse', { tool_name: tool, tool_input: input, tool_use_id: id, agent_id: agentId });
  }

  tell(event: string, more: object = {}): void {
    const facts = readHook(event, this.#payload(event, more));
    if (facts !== undefined) this.#desk.noteHook(facts);
  }

  #payload(event: string, more: object): object {
    return { session_id: this.#session, cwd: '/home/me/shop', hook_event_name: event, ...more };
  }
}

function decisionIn(text: string): unknown {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('hookSpecificOutput' in value)) return undefined;
  const output = value.hookSpecificOutput;
  return typeof output === 'object' && output !== null && 'decision' in output ? output.decision : undefined;
}
