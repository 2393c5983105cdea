/**
 * Hooks for one launch of Codex, without touching the user's files: `-c` overrides that name the hooks, and beside them the trust in exactly these.
 *
 * Codex runs a hook only when its configuration holds the hook's hash (measured on 0.169.0): SHA-256 over the compact JSON, keys sorted, of the event in snake case
 * and its one handler with time-out and `async` filled in. A hash that does not fit is no hole: the hook is left out (`exec`) or its person is asked (TUI). So nothing
 * else is trusted by this, and `--dangerously-bypass-hook-trust`, which would run every hook of every project, is never used.
 */
import { createHash } from 'node:crypto';

export interface LaunchHook {
  /** As in the configuration: SessionStart, PostToolUse, … */
  readonly event: string;
  /** Run by the user's shell. No secret in it: it stands in the process list. */
  readonly command: string;
  /** Seconds. SessionEnd and Interrupt are clamped to 3 by Codex, which changes the hash: so more is refused here. */
  readonly timeout: number;
}

/** Where Codex says that hooks of `-c` come from. */
const SESSION_FLAGS = '/<session-flags>/config.toml';
const CLAMPED = new Set(['SessionEnd', 'Interrupt']);
const CLAMP = 3;

export function hookHash(hook: LaunchHook): string {
  // Key order is part of it: sorted, at every level.
  const handler = { async: false, command: hook.command, timeout: hook.timeout, type: 'command' };
  const identity = JSON.stringify({ event_name: snakeCase(hook.event), hooks: [handler] });
  return `sha256:${createHash('sha256').update(identity).digest('hex')}`;
}

/** The `-c` arguments for these hooks, one event each. */
export function hookOverrides(hooks: readonly LaunchHook[]): string[] {
  const states: string[] = [];
  const args: string[] = [];
  for (const given of hooks) {
    const hook = { ...given, timeout: CLAMPED.has(given.event) ? Math.min(given.timeout, CLAMP) : given.timeout };
    const handler = `{type="command",command=${tomlText(hook.command)},timeout=${hook.timeout}}`;
    args.push('-c', `hooks.${hook.event}=[{hooks=[${handler}]}]`);
    const key = `${SESSION_FLAGS}:${snakeCase(hook.event)}:0:0`;
    states.push(`${tomlText(key)}={trusted_hash=${tomlText(hookHash(hook))}}`);
  }
  return [...args, '-c', `hooks.state={${states.join(',')}}`];
}

/** A TOML basic string. JSON's escapes are TOML's, but for the delete character, which must not stand bare. */
export function tomlText(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007F');
}

function snakeCase(event: string): string {
  return event.replace(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase();
}
