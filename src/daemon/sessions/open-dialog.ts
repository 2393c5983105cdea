/** One open dialog of the permission desk. Its hook is answered once; its timers end with it. */
import type { CancelTimer } from '../../platform/clock.ts';
import type { CloseApproval } from '../../protocol/machine-api.ts';
import type { Session } from '../../protocol/model.ts';
import type { HookFacts, PermissionAnswer, PermissionAsk } from './agent-port.ts';

type ToolFacts = NonNullable<HookFacts['tool']>;

export interface PermissionCall {
  readonly session: Session;
  readonly ask: PermissionAsk;
  readonly facts: HookFacts;
  /** What the hook prints for an answer. */
  readonly render: (answer: PermissionAnswer) => string | undefined;
  readonly key: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** There is no terminal: only an operator can answer. */
  readonly unattended: boolean;
  readonly mission: string | undefined;
}

export class OpenDialog {
  readonly ref: string;
  readonly call: PermissionCall;
  readonly #resolve: (text: string) => void;
  readonly #input: string;
  #timers: CancelTimer[] = [];
  #unlisten: () => void = () => undefined;
  /** Its hook was answered: nothing can be said to the agent any more. */
  over = false;
  /** The agent showed it at its terminal. */
  shown = false;
  /** The hub is being told of it. */
  asking = false;
  closing: CloseApproval | undefined;
  /** The tool call that it is about, where a hook before it told. */
  toolUseId: string | undefined;

  constructor(ref: string, call: PermissionCall, resolve: (text: string) => void) {
    this.ref = ref;
    this.call = call;
    this.#resolve = resolve;
    this.#input = this.#identity(call.ask.input);
  }

  onAbort(gone: () => void): void {
    const { signal } = this.call;
    if (signal === undefined) return;
    signal.addEventListener('abort', gone, { once: true });
    this.#unlisten = () => signal.removeEventListener('abort', gone);
  }

  later(cancel: CancelTimer): void {
    this.#timers.push(cancel);
  }

  /** The same tool with the same input, in the same (sub)agent. */
  fits(agentId: string | undefined, tool: ToolFacts): boolean {
    if (this.call.facts.agentId !== agentId || this.call.ask.tool !== tool.name) return false;
    if (this.toolUseId !== undefined && tool.id !== undefined) return this.toolUseId === tool.id;
    return this.#input === this.#identity(tool.input);
  }

  #identity(input: unknown): string {
    const { identify } = this.call.ask;
    return stable(identify === undefined ? input : identify(input));
  }

  answer(text: string): void {
    for (const cancel of this.#timers.splice(0)) cancel();
    this.#unlisten();
    if (this.over) return;
    this.over = true;
    this.#resolve(text);
  }
}

/** The same value gives the same text, whatever the order of its keys. */
export function stable(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
