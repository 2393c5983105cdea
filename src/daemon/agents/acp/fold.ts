/**
 * What an agent behind the bridge did, folded from its journal. Pure: the same journal gives the same events.
 *
 * Invariants: a provider's refusal for its limits is `rate_limited` and no turn's end; an error is one only by the agent's own word (its stop reason, or the
 * failure of the turn); what is not understood is passed over.
 */
import type { JournalEntry } from '../../../protocol/runner-api.ts';
import type { AgentEvent, JournalFold } from '../program.ts';
import { oneLine, toolWords } from '../tool-words.ts';
import { BridgeLine } from './lines.ts';
import { PermissionHook } from './permission.ts';

const DETAIL_MAX = 8000;
/** Too many requests, in HTTP and in the words of the agents' errors. */
const TOO_MANY = 429;

/** Finds in an agent's words whether its provider's limit is reached, and for how many seconds. */
export type LimitNotice = (text: string) => { readonly seconds: number | undefined } | undefined;

export class AcpFold implements JournalFold {
  readonly #limitNotice: LimitNotice;

  constructor(limitNotice: LimitNotice) {
    this.#limitNotice = limitNotice;
  }

  feed(entry: JournalEntry): AgentEvent[] {
    switch (entry.kind) {
      case 'line': {
        const line = BridgeLine.safeParse(parsed(entry.text));
        return line.success ? this.#line(line.data, entry.at) : [];
      }
      case 'hook': {
        const asked =
          entry.event === 'PermissionRequest' ? PermissionHook.safeParse(parsed(entry.text)).data : undefined;
        if (asked === undefined) return [];
        const { label } = toolWords(asked.tool_name, asked.tool_input, asked.cwd);
        return [{ kind: 'waiting', for: `permission: ${label}` }];
      }
      case 'input':
        return [];
      case 'exit':
        return [{ kind: 'ended' }];
    }
  }

  #line(line: BridgeLine, at: string): AgentEvent[] {
    switch (line.event) {
      case 'session':
        return [{ kind: 'session', session: line.session, ...(line.model === undefined ? {} : { model: line.model }) }];
      case 'turn_started':
        return [{ kind: 'turn_started', prompt: line.prompt }];
      case 'text':
        return [{ kind: 'text', text: line.text }];
      case 'tool':
        return [{ kind: 'tool', tool: line.kind, label: labelOf(line), shape: shapeOf(line.kind), ...detailOf(line) }];
      case 'tool_done':
        return [{ kind: 'tool_done', tool: line.kind, ok: line.ok, ...detailOf(line) }];
      case 'turn_ended':
        return [ended(line)];
      case 'failed':
        return [this.#failed(line, at)];
      case 'note':
        return [];
    }
  }

  #failed({ code, text }: Extract<BridgeLine, { event: 'failed' }>, at: string): AgentEvent {
    const limit = this.#limitNotice(text);
    if (code !== TOO_MANY && limit === undefined) return { kind: 'turn_ended', text, isError: true, background: false };
    const resetAt =
      limit?.seconds === undefined ? undefined : new Date(Date.parse(at) + limit.seconds * 1000).toISOString();
    return { kind: 'rate_limited', text: oneLine(text, 500), ...(resetAt === undefined ? {} : { resetAt }) };
  }
}

function ended(line: Extract<BridgeLine, { event: 'turn_ended' }>): AgentEvent {
  return {
    kind: 'turn_ended',
    text: line.text,
    isError: line.stop !== 'end_turn',
    background: false,
    ...(line.usage === undefined ? {} : { usage: line.usage }),
    ...(line.costUsd === undefined ? {} : { costUsd: line.costUsd }),
  };
}

const VERBS: Readonly<Record<string, string>> = {
  execute: 'Run: ',
  read: 'Read ',
  edit: 'Edit ',
  delete: 'Delete ',
  move: 'Move ',
  search: 'Search: ',
  fetch: 'Open ',
};

function labelOf({ kind, title }: { readonly kind: string; readonly title: string }): string {
  const verb = Object.hasOwn(VERBS, kind) ? (VERBS[kind] ?? '') : '';
  const begins = title.toLowerCase().startsWith(verb.trim().replace(':', '').toLowerCase());
  return oneLine(begins ? title : `${verb}${title}`, 200);
}

function shapeOf(kind: string): 'tool' | 'file' | 'command' {
  if (kind === 'execute') return 'command';
  return ['read', 'edit', 'delete', 'move'].includes(kind) ? 'file' : 'tool';
}

function detailOf({ detail }: { readonly detail?: string | undefined }): { detail?: string } {
  return detail === undefined ? {} : { detail: detail.slice(0, DETAIL_MAX).replace(/[\ud800-\udbff]$/, '') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
