/** What can be seen of a Claude Code session's settings: whether our hooks are in them, and how it treats messages from outside. */
import { join } from 'node:path';
import { readIfThere } from '../../../platform/files.ts';

export type InboundSetting = 'accept' | 'hold' | 'refuse';

export interface SettingsView {
  readonly hooks: boolean;
  readonly inbound: InboundSetting | undefined;
}

/** In the command of each of our hooks. */
export const HOOK_SCRIPT = 'intercom-hook.sh';
const FILE_MAX = 1024 * 1024;

/** `refuse` of any file wins; otherwise the first that is set, the project's own files before the user's. */
export async function viewSettings(configDir: string, cwd: string): Promise<SettingsView> {
  const texts = await Promise.all(
    [
      join(cwd, '.claude', 'settings.local.json'),
      join(cwd, '.claude', 'settings.json'),
      join(configDir, 'settings.json'),
    ].map((path) => readIfThere(path).catch(() => undefined)),
  );
  const inbound = texts.map((text) => inboundOf(text));
  return {
    hooks: texts.some((text) => text?.includes(HOOK_SCRIPT) === true),
    inbound: inbound.includes('refuse') ? 'refuse' : inbound.find((value) => value !== undefined),
  };
}

function inboundOf(text: string | undefined): InboundSetting | undefined {
  if (text === undefined || text.length > FILE_MAX || !text.includes('crossSessionInbound')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('crossSessionInbound' in value)) return undefined;
    const setting = value.crossSessionInbound;
    return setting === 'accept' || setting === 'hold' || setting === 'refuse' ? setting : undefined;
  } catch {
    return undefined;
  }
}
