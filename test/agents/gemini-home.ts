/** A private HOME for the real Gemini CLI: a person who has signed in with an API key, with settings of their own, and our extension installed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installGemini } from '../../src/daemon/agents/gemini/install.ts';
import type { GeminiInstallOptions } from '../../src/daemon/agents/gemini/install.ts';

export const GEMINI_VERSION = '0.61.0';

/** How the pinned program is started; undefined when `npm ci` was not run in test/agents. */
export function geminiCommand(): readonly string[] | undefined {
  const file = join(import.meta.dirname, 'node_modules', `gemini-${GEMINI_VERSION}`, 'bundle', 'gemini.js');
  return existsSync(file) ? [process.execPath, file] : undefined;
}

export class GeminiHome {
  readonly path = mkdtempSync(join(tmpdir(), 'ic-gemini-'));
  readonly configDir = join(this.path, '.gemini');
  readonly key = 'test-key';
  readonly #settings = join(this.configDir, 'settings.json');
  /** Written by a hook of the person's own. */
  readonly ownHookLog = join(this.path, 'own-hook.log');

  constructor() {
    mkdirSync(this.configDir, { recursive: true });
    const own = { type: 'command', name: 'own', command: `echo turn >> '${this.ownHookLog}'` };
    writeFileSync(
      this.#settings,
      JSON.stringify({
        security: { auth: { selectedType: 'gemini-api-key' } },
        general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
        // A model named by itself asks no other model which one to take.
        model: { name: 'gemini-2.5-pro' },
        hooks: { AfterAgent: [{ hooks: [own] }] },
      }),
    );
  }

  project(name: string): string {
    const path = join(this.path, 'work', name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  settings(): string {
    return readFileSync(this.#settings, 'utf8');
  }

  environment(modelUrl: string): Record<string, string> {
    return {
      HOME: this.path,
      GEMINI_API_KEY: this.key,
      GOOGLE_GEMINI_BASE_URL: modelUrl,
      COLORTERM: 'truecolor',
    };
  }

  installOptions(): GeminiInstallOptions {
    return {
      configDir: this.configDir,
      source: join(import.meta.dirname, '..', '..', 'hooks'),
      socket: join(this.path, 'no-daemon.sock'),
      keyHeader: join(this.path, 'no.header'),
      version: '0.0.1',
      mcp: { command: 'true', args: ['mcp-server'] },
    };
  }

  async install(): Promise<void> {
    await installGemini(this.installOptions());
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}
