/**
 * What a run of Gemini CLI in a terminal did, folded from its hooks. Pure: the same journal gives the same events.
 *
 * Invariants: `turn_ended` carries what was said since the turn's last end, as Gemini repeats all of it when a turn goes on; a run without our hooks gives no
 * event but its end.
 */
import type { JournalEntry } from '../../../protocol/runner-api.ts';
import type { AgentEvent, JournalFold } from '../program.ts';
import { oneLine, toolWords } from '../tool-words.ts';
import { GeminiHook } from './hook-dialect.ts';

const DETAIL_MAX = 8000;

export class GeminiFold implements JournalFold {
  #session = '';
  /** What the turn had said at its last end. */
  #said = '';

  feed(entry: JournalEntry): AgentEvent[] {
    if (entry.kind === 'exit') return [{ kind: 'ended' }];
    if (entry.kind !== 'hook') return [];
    const hook = GeminiHook.safeParse(parsed(entry.text)).data;
    return hook === undefined ? [] : [...this.#sessionOf(hook), ...this.#told(entry.event ?? '', hook)];
  }

  #told(event: string, hook: GeminiHook): AgentEvent[] {
    const tool = hook.tool_name ?? 'a tool';
    switch (event) {
      case 'BeforeAgent':
        return [{ kind: 'turn_started', ...(hook.prompt === undefined ? {} : { prompt: hook.prompt }) }];
      case 'BeforeTool': {
        const { label, shape } = toolWords(tool, hook.tool_input, hook.cwd);
        return [{ kind: 'tool', tool, label, shape, ...detailOf(hook.tool_input) }];
      }
      case 'AfterTool': {
        const error = hook.tool_response?.error;
        const ok = error === undefined || error === null;
        return [{ kind: 'tool_done', tool, ok, ...(ok ? {} : detailOf(error)) }];
      }
      case 'Notification':
        if (hook.notification_type !== 'ToolPermission') return [];
        return [{ kind: 'waiting', for: `permission: ${oneLine(hook.message ?? 'a tool', 200)}` }];
      case 'AfterAgent':
        return [{ kind: 'turn_ended', text: this.#news(hook), isError: false, background: false }];
      default:
        return [];
    }
  }

  #news(hook: GeminiHook): string {
    const whole = hook.prompt_response ?? '';
    const before = hook.stop_hook_active === true ? this.#said : '';
    this.#said = whole;
    return before !== '' && whole.startsWith(`${before}\n`) ? whole.slice(before.length + 1) : whole;
  }

  #sessionOf(hook: GeminiHook): AgentEvent[] {
    if (hook.session_id === this.#session) return [];
    this.#session = hook.session_id;
    const transcript = hook.transcript_path === undefined ? {} : { transcript: hook.transcript_path };
    return [{ kind: 'session', session: hook.session_id, ...transcript }];
  }
}

function detailOf(value: unknown): { detail?: string } {
  if (value === undefined || value === null) return {};
  const whole = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
  return { detail: whole.slice(0, DETAIL_MAX).replace(/[\ud800-\udbff]$/, '') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
