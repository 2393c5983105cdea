/**
 * Our extension for Gemini CLI: `~/.gemini/extensions/intercom`, with the hooks, the script that they run, and the MCP server.
 *
 * Why an extension: a launch cannot be given hooks of its own (Gemini CLI 0.61 takes system settings only from files that root owns), and an extension is the
 * vendor's own way that leaves the person's settings as they are. It serves the sessions that they start and those that we start.
 *
 * Invariants: only our own folder is written and removed; one of the same name that is not ours is refused; installing twice changes nothing; its settings
 * (switched off with `gemini extensions disable intercom`) are the person's and stay.
 */
import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, replaceFile } from '../../../platform/files.ts';
import { IntercomError } from '../../../protocol/errors.ts';

export const EXTENSION_NAME = 'intercom';
const SCRIPT = 'intercom-gemini-hook.sh';
const MANIFEST = 'gemini-extension.json';
const HOOKS = join('hooks', 'hooks.json');
/** Where the script finds the daemon. */
const ENVIRONMENT = 'intercom.env';
/** What we know our own folder by. */
const MARK = 'Made by `intercom hooks install`; `intercom hooks uninstall` removes it.';

/** Milliseconds. The script itself gives up earlier. */
const HOOK_TIMEOUT_MS = 30_000;
const EVENTS = [
  'SessionStart',
  'BeforeAgent',
  'BeforeTool',
  'AfterTool',
  'Notification',
  'AfterAgent',
  'SessionEnd',
] as const;

export interface GeminiInstallOptions {
  /** `.gemini` in GEMINI_CLI_HOME, or in HOME. */
  readonly configDir: string;
  /** The package's own hooks folder. */
  readonly source: string;
  readonly socket: string;
  readonly keyHeader: string;
  /** Of our package. */
  readonly version: string;
  /** How the MCP server is started. */
  readonly mcp: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
}

export interface GeminiInstallReport {
  readonly changes: readonly { readonly file: string; readonly what: string }[];
}

export async function installGemini(options: GeminiInstallOptions): Promise<GeminiInstallReport> {
  const root = extensionDir(options.configDir);
  await refuseForeign(root);
  const changes: { file: string; what: string }[] = [];
  for (const [name, text] of await wantedFiles(options)) {
    const file = join(root, name);
    if ((await readIfThere(file)) === text) continue;
    await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
    await replaceFile(file, text);
    if (name === SCRIPT) await chmod(file, 0o700);
    changes.push({ file, what: 'written' });
  }
  return { changes };
}

export async function uninstallGemini(options: Pick<GeminiInstallOptions, 'configDir'>): Promise<GeminiInstallReport> {
  const root = extensionDir(options.configDir);
  if ((await readIfThere(join(root, MANIFEST))) === undefined) return { changes: [] };
  await refuseForeign(root);
  await rm(root, { recursive: true, force: true });
  return { changes: [{ file: root, what: 'removed' }] };
}

export async function geminiHooksStatus(options: GeminiInstallOptions): Promise<'installed' | 'partly' | 'absent'> {
  const root = extensionDir(options.configDir);
  const wanted = await wantedFiles(options);
  const found = await Promise.all(wanted.map(async ([name, text]) => (await readIfThere(join(root, name))) === text));
  const ok = found.filter(Boolean).length;
  if (ok === wanted.length) return 'installed';
  return ok === 0 ? 'absent' : 'partly';
}

export function extensionDir(configDir: string): string {
  return join(configDir, 'extensions', EXTENSION_NAME);
}

/** What tells that the hooks are there: looked at before a terminal is started. */
export function extensionHooksFile(configDir: string): string {
  return join(extensionDir(configDir), HOOKS);
}

async function wantedFiles(options: GeminiInstallOptions): Promise<(readonly [string, string])[]> {
  const hook = (event: string) => ({
    hooks: [
      {
        type: 'command',
        name: EXTENSION_NAME,
        description: 'Brings messages of other agents, and tells intercom what this session does.',
        // `exec`, so that the script is the agent's own child and knows its pid.
        command: `exec /bin/sh "\${extensionPath}/${SCRIPT}" ${event}`,
        timeout: HOOK_TIMEOUT_MS,
      },
    ],
  });
  const { command, args, env = {} } = options.mcp;
  const manifest = {
    name: EXTENSION_NAME,
    version: options.version,
    description: MARK,
    mcpServers: { intercom: { command, args, env: { ...env, INTERCOM_AGENT: 'gemini' } } },
  };
  const hooks = Object.fromEntries(EVENTS.map((event) => [event, [hook(event)]]));
  const place = `INTERCOM_SOCKET=${word(options.socket)}\nINTERCOM_KEY_HEADER=${word(options.keyHeader)}\n`;
  return [
    [SCRIPT, await readFile(join(options.source, SCRIPT), 'utf8')],
    [ENVIRONMENT, place],
    [HOOKS, json({ hooks })],
    // Last: with it the extension counts.
    [MANIFEST, json(manifest)],
  ];
}

async function refuseForeign(root: string): Promise<void> {
  const manifest = await readIfThere(join(root, MANIFEST));
  if (manifest === undefined || manifest.includes(MARK)) return;
  throw new IntercomError('conflict', `There is another extension with the name ${EXTENSION_NAME} in ${root}.`, {
    next: `Remove it with "gemini extensions uninstall ${EXTENSION_NAME}", or leave Gemini CLI without our hooks.`,
  });
}

/** A word for the shell, whatever it holds. */
function word(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
