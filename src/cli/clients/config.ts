/** Loads the configuration for a command and says its warnings on stderr. */
import { loadConfig } from '../../config/load.ts';
import type { Loaded } from '../../config/load.ts';
import type { Context } from '../io.ts';
import { styleFor } from '../print/style.ts';

export function load(context: Context): Promise<Loaded> {
  return loadConfig({
    ...(context.configFile === undefined ? {} : { file: context.configFile }),
    env: context.io.env,
    home: context.io.home,
  });
}

export async function loadAloud(context: Context): Promise<Loaded> {
  const loaded = await load(context);
  const style = styleFor(context.io.colour);
  for (const warning of loaded.warnings) {
    const line = warning.line === undefined ? '' : `:${warning.line}`;
    const key = warning.key === '' ? '' : `${warning.key}: `;
    context.io.err(`${style.yellow('warning:')} ${loaded.file ?? ''}${line} ${key}${warning.text}\n`);
  }
  return loaded;
}
