/** Where Gemini CLI keeps its things, for the hooks commands. Only for people who use it: undefined where its folder is not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { GeminiInstallOptions } from '../../daemon/agents/gemini/install.ts';
import { VERSION } from '../../platform/package.ts';
import type { Context } from '../io.ts';
import { claudePlaces } from './claude-places.ts';

export function geminiPlaces(context: Context): GeminiInstallOptions | undefined {
  const own = context.io.env.GEMINI_CLI_HOME ?? '';
  const configDir = join(own === '' ? context.io.home : own, '.gemini');
  if (!existsSync(configDir)) return undefined;
  const { source, socket, keyHeader, mcp } = claudePlaces(context);
  return { configDir, source, socket, keyHeader, mcp, version: VERSION };
}
