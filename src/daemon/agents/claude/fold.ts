/**
 * What a run of Claude Code did, folded from its journal: in the terminal from its hooks, headless from its stream, with the hooks for what the stream does not say
 * (permission requests, work in the background). Pure: the same journal gives the same events.
 *
 * Invariants: an error is one only by Claude Code's own word (`is_error`, StopFailure); a turn that the provider refused for its limits is `rate_limited` and no
 * turn's end; what a subagent says is not the agent's own text; a line that is not understood is passed over.
 */
import { z } from 'zod';
import type { MissionRuntime } from '../../../protocol/mission.ts';
import type { JournalEntry } from '../../../protocol/runner-api.ts';
import type { AgentEvent, JournalFold } from '../program.ts';
import { oneLine, toolWords } from '../tool-words.ts';
import { resetTime } from '../reset-time.ts';
import { FORM_EVENT } from './elicitation.ts';
import { PLAN_TOOL, QUESTION_TOOL } from './questions.ts';

const DETAIL_MAX = 8000;

const text = z.string().optional().catch(undefined);
const Hook = z.looseObject({
  session_id: text,
  transcript_path: text,
  cwd: text,
  model: text,
  prompt: text,
  tool_name: text,
  tool_use_id: text,
  tool_input: z.unknown().optional(),
  tool_response: z.unknown().optional(),
  error: z.unknown().optional(),
  agent_id: text,
  last_assistant_message: text,
  background_tasks: z.array(z.unknown()).catch([]),
});
type Hook = z.infer<typeof Hook>;

const Block = z.looseObject({
  type: z.string(),
  text: text,
  id: text,
  name: text,
  input: z.unknown().optional(),
  tool_use_id: text,
  is_error: z.boolean().optional().catch(undefined),
  content: z.unknown().optional(),
});
const count = z.number().int().nonnegative().optional().catch(undefined);
const Line = z.looseObject({
  type: z.string(),
  subtype: text,
  session_id: text,
  model: text,
  isReplay: z.boolean().optional().catch(undefined),
  parent_tool_use_id: z.string().nullable().optional().catch(undefined),
  message: z
    .looseObject({ content: z.union([z.string(), z.array(Block)]) })
    .optional()
    .catch(undefined),
  error: text,
  is_error: z.boolean().optional().catch(undefined),
  api_error_status: z.number().nullable().optional().catch(undefined),
  result: text,
  errors: z.array(z.string()).optional().catch(undefined),
  num_turns: count,
  total_cost_usd: z.number().nonnegative().optional().catch(undefined),
  queued_turn_count: count,
  usage: z
    .looseObject({
      input_tokens: count,
      output_tokens: count,
      cache_read_input_tokens: count,
      cache_creation_input_tokens: count,
    })
    .optional()
    .catch(undefined),
  rate_limit_info: z
    .looseObject({ status: text, resetsAt: z.number().optional().catch(undefined) })
    .optional()
    .catch(undefined),
});
type Line = z.infer<typeof Line>;

export class ClaudeFold implements JournalFold {
  readonly #runtime: MissionRuntime;
  #session = '';
  #model: string | undefined;
  #cwd = '';
  /** Work that goes on behind a turn that ended, as the last Stop hook told. */
  #background = false;
  /** When the provider's limit ends, as the stream told last. */
  #resetAt: string | undefined;
  #limited = false;
  /** Tool calls of the stream whose result has not come: id → tool. */
  readonly #open = new Map<string, string>();

  constructor(runtime: MissionRuntime) {
    this.#runtime = runtime;
  }

  feed(entry: JournalEntry): AgentEvent[] {
    switch (entry.kind) {
      case 'hook': {
        const hook = parsed(Hook, entry.text);
        return hook === undefined ? [] : this.#hook(entry.event ?? '', hook, entry.at);
      }
      case 'line': {
        const line = parsed(Line, entry.text);
        return line === undefined ? [] : this.#line(line, entry.at);
      }
      case 'input':
        return [];
      case 'exit':
        return [{ kind: 'ended' }];
    }
  }

  // ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #hook(event: string, hook: Hook, at: string): AgentEvent[] {
    if (hook.cwd !== undefined) this.#cwd = hook.cwd;
    const first = this.#sessionOf(hook.session_id, hook.model, hook.transcript_path);
    if (event === 'Stop') this.#background = hook.background_tasks.length > 0;
    if (event === 'PermissionRequest') return [...first, this.#asks(hook)];
    if (event === FORM_EVENT) return [...first, { kind: 'waiting', for: 'a form of one of its tools' }];
    // The stream tells the rest itself.
    return this.#runtime === 'headless' ? first : [...first, ...this.#told(event, hook, at)];
  }

  #told(event: string, hook: Hook, at: string): AgentEvent[] {
    const tool = hook.tool_name ?? 'a tool';
    switch (event) {
      case 'UserPromptSubmit':
        return [{ kind: 'turn_started', ...(hook.prompt === undefined ? {} : { prompt: hook.prompt }) }];
      case 'PreToolUse':
        return [this.#tool(tool, hook.tool_input)];
      case 'PostToolUse':
        return [{ kind: 'tool_done', tool, ok: true }];
      case 'PostToolUseFailure':
      case 'PermissionDenied':
        return [{ kind: 'tool_done', tool, ok: false, ...detailOf(hook.error ?? hook.tool_response) }];
      case 'Stop':
        return [
          {
            kind: 'turn_ended',
            text: hook.last_assistant_message ?? '',
            isError: false,
            background: this.#background,
          },
        ];
      case 'StopFailure':
        return [this.#failed(hook, at)];
      default:
        return [];
    }
  }

  #failed(hook: Hook, at: string): AgentEvent {
    const words = hook.last_assistant_message ?? '';
    if (hook.error === 'rate_limit') return rateLimited(words, resetTime(words, at));
    return { kind: 'turn_ended', text: words, isError: true, background: false };
  }

  #asks(hook: Hook): AgentEvent {
    const tool = hook.tool_name ?? 'a tool';
    const { label } = toolWords(tool, hook.tool_input, this.#cwd);
    if (tool === QUESTION_TOOL) return { kind: 'waiting', for: 'an answer to its question' };
    return { kind: 'waiting', for: tool === PLAN_TOOL ? 'a word on its plan' : `permission: ${label}` };
  }

  // ── the stream ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #line(line: Line, at: string): AgentEvent[] {
    const own = line.parent_tool_use_id === undefined || line.parent_tool_use_id === null;
    switch (line.type) {
      case 'system':
        return line.subtype === 'init' ? this.#sessionOf(line.session_id, line.model, undefined) : [];
      case 'user':
        return line.isReplay === true ? [prompted(line)] : this.#results(line);
      case 'assistant':
        return this.#said(line, own);
      case 'rate_limit_event':
        this.#noteLimit(line);
        return [];
      case 'result':
        return [this.#ended(line, at)];
      default:
        return [];
    }
  }

  #said(line: Line, own: boolean): AgentEvent[] {
    if (line.error === 'rate_limit') this.#limited = true;
    const content = line.message?.content ?? [];
    if (typeof content === 'string') return own && content !== '' ? [{ kind: 'text', text: content }] : [];
    return content.flatMap((block): AgentEvent[] => {
      if (block.type === 'tool_use') return [this.#tool(block.name ?? 'a tool', block.input, block.id)];
      // Faults of the service come as texts of nobody; the result tells them.
      const said = block.type === 'text' && own && line.error === undefined ? (block.text ?? '') : '';
      return said === '' ? [] : [{ kind: 'text', text: said }];
    });
  }

  #tool(tool: string, input: unknown, id?: string): AgentEvent {
    if (id !== undefined) this.#open.set(id, tool);
    const [oldest] = this.#open.keys();
    if (this.#open.size > 500 && oldest !== undefined) this.#open.delete(oldest);
    const { label, shape } = toolWords(tool, input, this.#cwd);
    return { kind: 'tool', tool, label, shape, ...detailOf(input) };
  }

  #results(line: Line): AgentEvent[] {
    const content = line.message?.content ?? [];
    if (typeof content === 'string') return [];
    return content.flatMap((block): AgentEvent[] => {
      if (block.type !== 'tool_result') return [];
      const id = block.tool_use_id ?? '';
      const tool = this.#open.get(id) ?? 'a tool';
      this.#open.delete(id);
      const ok = block.is_error !== true;
      return [{ kind: 'tool_done', tool, ok, ...(ok ? {} : detailOf(block.content)) }];
    });
  }

  #noteLimit(line: Line): void {
    const info = line.rate_limit_info;
    if (info?.status !== 'rejected') return;
    this.#limited = true;
    if (info.resetsAt !== undefined) this.#resetAt = isoSeconds(info.resetsAt);
  }

  #ended(line: Line, at: string): AgentEvent {
    const isError = line.is_error === true;
    const words = line.result ?? line.errors?.join('\n') ?? '';
    const refused = isError && (line.api_error_status === 429 || this.#limited);
    const resetAt = this.#resetAt ?? resetTime(words, at);
    this.#limited = false;
    this.#resetAt = undefined;
    if (refused) return rateLimited(words, resetAt);
    const background = !isError && (this.#background || (line.queued_turn_count ?? 0) > 0);
    return {
      kind: 'turn_ended',
      text: words,
      isError,
      background,
      ...(line.total_cost_usd === undefined ? {} : { costUsd: line.total_cost_usd }),
      ...(line.num_turns === undefined ? {} : { turns: line.num_turns }),
      ...(line.usage === undefined ? {} : { usage: usageOf(line.usage) }),
    };
  }

  #sessionOf(session: string | undefined, model: string | undefined, transcript: string | undefined): AgentEvent[] {
    const news = session !== this.#session || (model !== undefined && model !== this.#model);
    if (session === undefined || !news) return [];
    this.#session = session;
    this.#model = model ?? this.#model;
    return [
      {
        kind: 'session',
        session,
        ...(model === undefined ? {} : { model }),
        ...(transcript === undefined ? {} : { transcript }),
      },
    ];
  }
}

function prompted(line: Line): AgentEvent {
  const content = line.message?.content ?? '';
  const prompt = typeof content === 'string' ? content : content.map((block) => block.text ?? '').join('\n');
  return { kind: 'turn_started', ...(prompt === '' ? {} : { prompt }) };
}

function rateLimited(words: string, resetAt: string | undefined): AgentEvent {
  return { kind: 'rate_limited', text: oneLine(words, 500), ...(resetAt === undefined ? {} : { resetAt }) };
}

function usageOf(usage: NonNullable<Line['usage']>) {
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } = usage;
  return {
    ...(input_tokens === undefined ? {} : { inputTokens: input_tokens }),
    ...(output_tokens === undefined ? {} : { outputTokens: output_tokens }),
    ...(cache_read_input_tokens === undefined ? {} : { cacheReadTokens: cache_read_input_tokens }),
    ...(cache_creation_input_tokens === undefined ? {} : { cacheWriteTokens: cache_creation_input_tokens }),
  };
}

function detailOf(value: unknown): { detail?: string } {
  if (value === undefined || value === null) return {};
  const whole = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
  return { detail: whole.slice(0, DETAIL_MAX).replace(/[\ud800-\udbff]$/, '') };
}

function isoSeconds(seconds: number): string | undefined {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function parsed<T>(schema: z.ZodType<T>, given: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(given)).data;
  } catch {
    return undefined;
  }
}
