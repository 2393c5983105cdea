/**
 * What the agents' hooks get from us, free of HTTP: proof out of what they tell, mail into what they print, decisions about what they ask, and the doorbell.
 *
 * Invariants: a subagent's hook never takes its parent's mail; a session with its own inbox gets nothing here but what that inbox lost; what
 * was printed still counts as written until the agent's record shows it.
 */
import type { Log } from '../../platform/log.ts';
import type { AgentHooks, Caller, HookAnswer, HookCall, SessionBook } from '../ports.ts';
import type { AgentPort, HookFacts, PermissionAsk } from './agent-port.ts';
import type { DeliveryEngine } from './delivery.ts';
import { DOORBELL_TEXT } from './doorbell.ts';
import type { Doorbell } from './doorbell.ts';
import type { PermissionDesk } from './permission-desk.ts';
import { hookWords } from './way-words.ts';

const NOTHING: HookAnswer = { text: '' };

/** What hooks tell of usage: that a session has just written to its record, and what Claude Code gave its status line. */
export interface UsageEars {
  noteHook(agent: string, session: string): void;
  noteStatusLine(payload: unknown): Promise<void>;
}

/** Not an event of Claude Code: hooks/intercom-statusline.sh passes on what its status line is told. */
const STATUS_LINE = 'StatusLine';

export interface HookRoutesOptions {
  readonly ports: readonly AgentPort[];
  readonly book: SessionBook;
  readonly delivery: DeliveryEngine;
  readonly doorbell: Doorbell;
  /** Without one, permission requests stay with the person at the terminal. */
  readonly desk?: PermissionDesk;
  readonly usage?: UsageEars;
  readonly log: Log;
}

export class HookRoutes implements AgentHooks {
  readonly #options: HookRoutesOptions;

  constructor(options: HookRoutesOptions) {
    this.#options = options;
  }

  async event(call: HookCall): Promise<HookAnswer> {
    const port = this.#options.ports.find(({ name }) => name === call.agent);
    const payload = parseBody(call.body);
    if (call.event === STATUS_LINE) {
      await this.#options.usage?.noteStatusLine(payload);
      return NOTHING;
    }
    const facts = port?.readHook(call.event, payload);
    if (port === undefined || facts === undefined) return NOTHING;
    this.#options.desk?.noteHook(facts);
    this.#options.usage?.noteHook(call.agent, facts.session);
    const ask = port.readPermission?.(call.event, payload);
    if (ask !== undefined) return this.#permission(port, facts, ask, call, payload);
    const session = await port.noteHook(facts, call.caller);
    if (session === undefined || facts.subagent) return NOTHING;
    const { delivery } = this.#options;
    switch (facts.moment) {
      case 'prompt':
        await delivery.promptEntered(session, facts.prompt ?? '');
        return this.#mail(port, facts, session.id);
      case 'tool_done':
        return this.#mail(port, facts, session.id);
      case 'turn_end':
        await delivery.turnEnded(session.id);
        // Where a hook at the end of a turn can prolong it, what waits comes at once.
        return this.#mail(port, facts, session.id);
      // Mail for a session that has just started would lie there until its person types: the doorbell wakes it instead.
      case 'session_start':
      case 'session_end':
      case 'other':
        return NOTHING;
    }
  }

  /** Asked in a subagent too: its dialog is its parent's. */
  async #permission(
    port: AgentPort,
    facts: HookFacts,
    ask: PermissionAsk,
    call: HookCall,
    payload: unknown,
  ): Promise<HookAnswer> {
    const { desk } = this.#options;
    const session = await port.noteHook(facts, call.caller);
    if (desk === undefined || session === undefined) return NOTHING;
    const text = await desk.ask({
      session,
      ask,
      facts,
      render: (answer) => port.renderPermission?.(call.event, payload, answer),
      key: call.key,
      signal: call.signal,
      unattended: call.unattended === true,
      mission: call.mission ?? session.mission,
    });
    // Of a caller that went away the agent's own record says what came of it: an Esc is no answer after which it works on.
    if (text !== '') port.noteAnswer?.(facts);
    return { text };
  }

  async acknowledge(offer: string): Promise<void> {
    this.#options.delivery.printed(offer, 'printed by its hook');
  }

  async doorbell(call: {
    readonly agent: string;
    readonly caller: Caller;
    readonly signal: AbortSignal;
  }): Promise<HookAnswer | undefined> {
    const rings = await this.#options.doorbell.wait(call.agent, call.caller, call.signal);
    return rings ? { text: DOORBELL_TEXT } : undefined;
  }

  async #mail(port: AgentPort, facts: HookFacts, sessionId: string): Promise<HookAnswer> {
    const session = this.#options.book.get(sessionId);
    if (session === undefined || port.renderContext(facts, '') === undefined) return NOTHING;
    const offer = await this.#options.delivery.offerToHook(session, hookWords(facts));
    if (offer === undefined) return NOTHING;
    const text = port.renderContext(facts, offer.text);
    return text === undefined ? NOTHING : { text, offer: offer.offer };
  }
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
