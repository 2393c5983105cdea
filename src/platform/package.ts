/** What this package knows about itself: its version, and where the files lie that come with it (web app, hooks, examples). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Put in by the build; absent when the sources run as they are. */
declare const INTERCOM_VERSION: string | undefined;

export const VERSION: string = typeof INTERCOM_VERSION === 'string' ? INTERCOM_VERSION : versionFromFile();

/** The folder that holds package.json, bin/, dist/, hooks/ and config/. The same for sources, bundle and installed package. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The package is incomplete: there is no package.json above it.');
    folder = parent;
  }
  return folder;
}

function versionFromFile(): string {
  const json: unknown = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  return typeof version === 'string' ? version : '0.0.0';
}
