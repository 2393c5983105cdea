/**
 * What a run of Codex did, folded from its journal: in the terminal from its hooks, headless from the lines of `codex exec --json`. Pure: the same journal gives the same events.
 *
 * Invariants: an error is one only by Codex' own word (`turn.failed`); a turn that the provider refused for its limits is `rate_limited` and no turn's end; what a subagent does is not
 * the run's own; a line that is not understood is passed over. Codex has no hook for a turn that failed: in a terminal its app-server tells (CodexAdapter.onEvent).
 */
import { z } from 'zod';
import type { MissionRuntime } from '../../../protocol/mission.ts';
import type { JournalEntry } from '../../../protocol/runner-api.ts';
import type { AgentEvent, JournalFold } from '../program.ts';
import { oneLine, toolWords } from '../tool-words.ts';
import { failure } from './failures.ts';
import { shellScript } from './shell-script.ts';

const DETAIL_MAX = 8000;

const text = z.string().optional().catch(undefined);
const count = z.number().int().nonnegative().optional().catch(undefined);

const Hook = z.looseObject({
  session_id: text,
  transcript_path: text,
  cwd: text,
  model: text,
  prompt: text,
  tool_name: text,
  tool_input: z.unknown().optional(),
  tool_response: z.unknown().optional(),
  agent_id: text,
  last_assistant_message: text,
  reason: text,
});

const Item = z.looseObject({
  type: z.string(),
  text: text,
  command: text,
  aggregated_output: text,
  status: text,
  changes: z
    .array(z.looseObject({ path: z.string() }))
    .optional()
    .catch(undefined),
  server: text,
  tool: text,
  arguments: z.unknown().optional(),
  query: text,
});
type Item = z.infer<typeof Item>;

const Line = z.looseObject({
  type: z.string(),
  thread_id: text,
  item: Item.optional().catch(undefined),
  error: z.looseObject({ message: z.string() }).optional().catch(undefined),
  usage: z
    .looseObject({ input_tokens: count, cached_input_tokens: count, output_tokens: count })
    .optional()
    .catch(undefined),
});
type Line = z.infer<typeof Line>;

export class CodexFold implements JournalFold {
  readonly #runtime: MissionRuntime;
  #lastText = '';
  #turns = 0;

  constructor(runtime: MissionRuntime) {
    this.#runtime = runtime;
  }

  feed(entry: JournalEntry): AgentEvent[] {
    if (entry.kind === 'exit') return [{ kind: 'ended' }];
    if (entry.cut) return [];
    const headless = this.#runtime === 'headless';
    if (entry.kind === 'line' && headless) return this.#line(entry);
    if (entry.kind === 'hook' && entry.event !== undefined) return this.#hook(entry.event, entry.text, headless);
    return [];
  }

  // ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Headless, the lines tell all but where the rollout file is. */
  #hook(event: string, payload: string, headless: boolean): AgentEvent[] {
    const parsed = Hook.safeParse(parse(payload));
    if (!parsed.success || parsed.data.agent_id !== undefined) return [];
    const hook = parsed.data;
    if (event === 'SessionStart') return session(hook.session_id, hook.model, hook.transcript_path);
    if (headless) return [];
    const tool = hook.tool_name ?? 'tool';
    switch (event) {
      case 'UserPromptSubmit':
        return [{ kind: 'turn_started', ...(hook.prompt === undefined ? {} : { prompt: hook.prompt }) }];
      case 'PreToolUse': {
        const words = toolWords(tool, toolInput(tool, hook.tool_input), hook.cwd);
        return [{ kind: 'tool', tool: oneLine(tool, 200), ...words }];
      }
      case 'PostToolUse':
        return [{ kind: 'tool_done', tool: oneLine(tool, 200), ok: true, ...detail(hook.tool_response) }];
      case 'Stop':
        this.#turns += 1;
        return [
          {
            kind: 'turn_ended',
            text: hook.last_assistant_message ?? '',
            isError: false,
            background: false,
            turns: this.#turns,
          },
        ];
      case 'Interrupt':
        return [{ kind: 'waiting', for: 'its turn was interrupted' }];
      case 'SessionEnd':
        return [{ kind: 'ended', ...(hook.reason === undefined ? {} : { reason: oneLine(hook.reason, 200) }) }];
      default:
        return [];
    }
  }

  // ── codex exec --json ──────────────────────────────────────────────────────────────────────────────────────────────────

  #line(entry: JournalEntry): AgentEvent[] {
    const parsed = Line.safeParse(parse(entry.text));
    if (!parsed.success) return [];
    const line = parsed.data;
    switch (line.type) {
      case 'thread.started':
        return session(line.thread_id);
      case 'turn.started':
        this.#lastText = '';
        return [{ kind: 'turn_started' }];
      case 'item.started':
        return line.item === undefined ? [] : began(line.item);
      case 'item.completed':
        return line.item === undefined ? [] : this.#done(line.item);
      case 'turn.completed':
        return [this.#turnEnded(line)];
      case 'turn.failed':
        return [failure(line.error?.message ?? 'The turn failed; Codex does not say why.', entry.at)];
      default:
        return [];
    }
  }

  #done(item: Item): AgentEvent[] {
    if (item.type === 'agent_message') {
      this.#lastText = item.text ?? '';
      return [{ kind: 'text', text: this.#lastText }];
    }
    const tool = toolOf(item);
    if (tool === undefined) return [];
    return [{ kind: 'tool_done', tool, ok: item.status !== 'failed', ...detail(item.aggregated_output) }];
  }

  #turnEnded({ usage }: Line): AgentEvent {
    this.#turns += 1;
    return {
      kind: 'turn_ended',
      text: this.#lastText,
      isError: false,
      background: false,
      turns: this.#turns,
      ...(usage === undefined
        ? {}
        : {
            usage: {
              inputTokens: usage.input_tokens ?? 0,
              outputTokens: usage.output_tokens ?? 0,
              cacheReadTokens: usage.cached_input_tokens ?? 0,
            },
          }),
    };
  }
}

function session(id: string | undefined, model?: string, transcript?: string): AgentEvent[] {
  if (id === undefined) return [];
  return [
    {
      kind: 'session',
      session: id,
      ...(model === undefined ? {} : { model }),
      ...(transcript === undefined ? {} : { transcript }),
    },
  ];
}

function began(item: Item): AgentEvent[] {
  const tool = toolOf(item);
  if (tool === undefined) return [];
  const input =
    item.type === 'command_execution'
      ? { command: shellScript(item.command ?? '') }
      : item.type === 'file_change'
        ? { file_path: (item.changes ?? []).map(({ path }) => path).join(', ') }
        : item.type === 'web_search'
          ? { query: item.query }
          : item.arguments;
  return [{ kind: 'tool', tool, ...toolWords(tool, input) }];
}

/** undefined: no tool. */
function toolOf(item: Item): string | undefined {
  switch (item.type) {
    case 'command_execution':
      return 'shell';
    case 'file_change':
      return 'apply_patch';
    case 'mcp_tool_call':
      return oneLine(`mcp__${item.server ?? ''}__${item.tool ?? ''}`, 200);
    case 'web_search':
      return 'web_search';
    default:
      return undefined;
  }
}

/** A patch names its files in its text. */
function toolInput(tool: string, input: unknown): unknown {
  if (tool !== 'apply_patch') return input;
  const patch = z.looseObject({ command: z.string() }).safeParse(input);
  if (!patch.success) return input;
  const files = [...patch.data.command.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].map(
    ([, file = '']) => file,
  );
  return { file_path: files.join(', ') };
}

function detail(value: unknown): { readonly detail?: string } {
  if (value === undefined || value === null || value === '') return {};
  return { detail: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, DETAIL_MAX) };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
