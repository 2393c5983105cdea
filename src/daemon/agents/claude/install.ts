/**
 * `intercom hooks install | uninstall | status` for Claude Code: hooks in the user's settings, the MCP server for the user, the skill texts.
 *
 * Invariants: only our own entries are added, replaced and removed, everything else of the files stays byte for byte; installing twice changes
 * nothing; uninstalling right after gives the very bytes back; a backup is kept; a file that is not valid JSON is refused with its line, before
 * anything was written; links are followed and stay links.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isMissing, privateDirectory, readIfThere, replaceFile } from '../../../platform/files.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import { addTo, assertJsonObject, removeAt, valueAt } from './json-edit.ts';
import { HOOK_SCRIPT } from './settings-view.ts';
import { hasStatusLine, shellWord, STATUS_LINE_SCRIPT, withoutStatusLine, withStatusLine } from './status-line.ts';

export const DOORBELL_SCRIPT = 'intercom-doorbell.sh';
const SCRIPTS = [HOOK_SCRIPT, DOORBELL_SCRIPT, STATUS_LINE_SCRIPT];
/** What agents read when they want to use us: `/intercom`, `/narrate`. */
const SKILLS = ['intercom', 'narrate'] as const;
type Skill = (typeof SKILLS)[number];
/** Where each script finds the daemon. */
const ENVIRONMENT = 'intercom.env';
const MANIFEST = 'installed.json';
export const MCP_NAME = 'intercom';

/** Seconds. A hook that hangs must not hold its agent up; the script itself gives up earlier. */
const HOOK_TIMEOUT = 10;
/** A waiter waits as long as its session is idle; a week. */
const DOORBELL_TIMEOUT = 7 * 24 * 3600;

/** What is asked waits for a person; a dialog stays usable at the terminal meanwhile. */
const DECISION_TIMEOUT = 24 * 3600;

/**
 * What brings mail, asks, or tells the state of a session. Each costs a shell when it fires, so what fires with every tool is kept to one (PostToolUse, which brings mail):
 * that a tool begins (PreToolUse) would tell working from thinking, which nobody acts on, for 12 ms of each call. The others fire rarely: a tool that failed or was
 * refused, the end of a subagent and forms of MCP servers begin and end waits; a failed turn tells of the provider's limit.
 */
const EVENTS = [
  { event: 'SessionStart', doorbell: true, timeout: HOOK_TIMEOUT },
  { event: 'UserPromptSubmit', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'PostToolUse', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'PostToolUseFailure', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'PermissionRequest', doorbell: false, timeout: DECISION_TIMEOUT },
  { event: 'PermissionDenied', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'Elicitation', doorbell: false, timeout: DECISION_TIMEOUT },
  { event: 'ElicitationResult', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'SubagentStop', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'Stop', doorbell: true, timeout: HOOK_TIMEOUT },
  { event: 'StopFailure', doorbell: false, timeout: HOOK_TIMEOUT },
  { event: 'SessionEnd', doorbell: false, timeout: HOOK_TIMEOUT },
] as const;

export interface InstallOptions {
  /** `~/.claude`, or CLAUDE_CONFIG_DIR. */
  readonly configDir: string;
  /** `~/.claude.json` (inside CLAUDE_CONFIG_DIR when that is set). */
  readonly userFile: string;
  /** The package's own hooks folder. */
  readonly source: string;
  /** Where the scripts are copied to, so that they outlive the package (Paths.hooks). */
  readonly hooksDir: string;
  readonly socket: string;
  readonly keyHeader: string;
  /** How the MCP server is started. */
  readonly mcp: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
  /** Put our script before the status line too; once there, it stays until everything is taken out. */
  readonly statusLine?: boolean;
}

export interface InstallReport {
  /** Files that were written or removed, each with what was done, in words. */
  readonly changes: readonly { readonly file: string; readonly what: string }[];
}

export interface HooksStatus {
  readonly state: 'installed' | 'partly' | 'absent';
  readonly parts: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

const ManifestFile = z.record(
  z.string(),
  z.object({ before: z.string().nullable(), after: z.string(), backup: z.string().nullable() }),
);
type Manifest = z.infer<typeof ManifestFile>;
const HookGroups = z.array(
  z.looseObject({ hooks: z.array(z.looseObject({ command: z.string().optional().catch(undefined) })).catch([]) }),
);

export async function installHooks(options: InstallOptions): Promise<InstallReport> {
  const settings = join(options.configDir, 'settings.json');
  // Everything is read and worked out before anything is written.
  const plans = [
    await plan(settings, 'hooks added', (text) => withScripts(text, options)),
    await plan(options.userFile, 'MCP server added', (text) => withMcp(text, options)),
    ...(await Promise.all(SKILLS.map((skill) => skillPlan(options, skill)))),
  ];
  const changes = await copyScripts(options);
  const manifest = await readManifest(options);
  for (const change of plans) {
    if (change.before === change.after) continue;
    await backup(options, manifest, change);
    await write(change.file, change.after);
    changes.push({ file: change.file, what: change.what });
  }
  await writeManifest(options, manifest);
  return { changes };
}

export async function uninstallHooks(options: InstallOptions): Promise<InstallReport> {
  const changes: { file: string; what: string }[] = [];
  const manifest = await readManifest(options);
  const settings = join(options.configDir, 'settings.json');
  const plans = [
    await plan(settings, 'hooks removed', (text) => withoutStatusLine(withoutHooks(text))),
    await plan(options.userFile, 'MCP server removed', withoutMcp),
  ];
  for (const change of plans) {
    if (change.before === undefined) continue;
    const file = await realFile(change.file);
    const known = manifest[file];
    const untouched = known !== undefined && hash(change.before) === known.after;
    if (untouched && known.before === null) await rm(file);
    else if (untouched && known.backup !== null) await write(change.file, await readFile(known.backup, 'utf8'));
    else if (change.after !== change.before) await write(change.file, change.after);
    else continue;
    Reflect.deleteProperty(manifest, file);
    changes.push({ file: change.file, what: change.what });
  }
  for (const skill of SKILLS) changes.push(...(await removeSkill(options, manifest, skill)));
  await writeManifest(options, manifest);
  for (const name of [...SCRIPTS, ENVIRONMENT]) {
    const file = join(options.hooksDir, name);
    if ((await readIfThere(file)) === undefined) continue;
    await rm(file);
    changes.push({ file, what: 'removed' });
  }
  return { changes };
}

export async function hooksStatus(options: InstallOptions): Promise<HooksStatus> {
  const settings = join(options.configDir, 'settings.json');
  const parts = [
    await part('hooks', settings, (text) => withScripts(text, options) === text),
    await part('MCP server', options.userFile, (text) => withMcp(text, options) === text),
    ...(await Promise.all(
      SKILLS.map((skill) =>
        part(`skill ${skill}`, skillFile(options, skill), async (text) => text === (await skillText(options, skill))),
      ),
    )),
    ...(await Promise.all(
      SCRIPTS.map((name) =>
        part(
          name,
          join(options.hooksDir, name),
          async (text) => text === (await readFile(join(options.source, name), 'utf8')),
        ),
      ),
    )),
    await part('daemon address', join(options.hooksDir, ENVIRONMENT), (text) => text === environment(options)),
  ];
  const ok = parts.filter((one) => one.ok).length;
  return { state: ok === parts.length ? 'installed' : ok === 0 ? 'absent' : 'partly', parts };
}

// ── the texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `exec`, so that the script is the agent's own child and knows its pid. */
function groupOf(event: (typeof EVENTS)[number], options: InstallOptions): unknown {
  const script = (name: string) => `exec ${shellWord(join(options.hooksDir, name))} claude`;
  const hooks: unknown[] = [
    { type: 'command', command: `${script(HOOK_SCRIPT)} ${event.event}`, timeout: event.timeout },
  ];
  if (event.doorbell) {
    hooks.push({ type: 'command', command: script(DOORBELL_SCRIPT), timeout: DOORBELL_TIMEOUT, asyncRewake: true });
  }
  return { hooks };
}

/** The places of our groups in an event's list. */
function ourGroups(text: string, event: string): number[] {
  const groups = HookGroups.safeParse(valueAt(text, ['hooks', event]) ?? []);
  if (!groups.success) return [];
  return groups.data.flatMap((group, index) =>
    group.hooks.some(({ command }) => SCRIPTS.some((name) => command?.includes(name) === true)) ? [index] : [],
  );
}

function withHooks(given: string, options: InstallOptions): string {
  let text = given;
  for (const event of EVENTS) {
    const wanted = groupOf(event, options);
    const present = ourGroups(text, event.event);
    const [only] = present;
    if (present.length === 1 && only !== undefined && same(valueAt(text, ['hooks', event.event, only]), wanted))
      continue;
    for (const index of present.reverse()) text = removeAt(text, ['hooks', event.event, index]);
    if (valueAt(text, ['hooks']) === undefined) text = addTo(text, [], 'hooks', {});
    if (valueAt(text, ['hooks', event.event]) === undefined) text = addTo(text, ['hooks'], event.event, [wanted]);
    else text = addTo(text, ['hooks', event.event], undefined, wanted);
  }
  return text;
}

/** The hooks, and our status line where it is asked for or there already. */
function withScripts(given: string, options: InstallOptions): string {
  const text = withHooks(given, options);
  const isWanted = options.statusLine === true || hasStatusLine(text);
  return isWanted ? withStatusLine(text, join(options.hooksDir, STATUS_LINE_SCRIPT)) : text;
}

function withoutHooks(given: string): string {
  let text = given;
  for (const { event } of EVENTS) {
    const present = ourGroups(text, event).reverse();
    for (const index of present) text = removeAt(text, ['hooks', event, index]);
    if (present.length > 0 && same(valueAt(text, ['hooks', event]), [])) text = removeAt(text, ['hooks', event]);
  }
  return text !== given && same(valueAt(text, ['hooks']), {}) ? removeAt(text, ['hooks']) : text;
}

function withMcp(given: string, options: InstallOptions): string {
  const { command, args, env } = options.mcp;
  const wanted = { type: 'stdio', command, args, env: env ?? {} };
  if (same(valueAt(given, ['mcpServers', MCP_NAME]), wanted)) return given;
  let text = removeAt(given, ['mcpServers', MCP_NAME]);
  if (valueAt(text, ['mcpServers']) === undefined) text = addTo(text, [], 'mcpServers', {});
  return addTo(text, ['mcpServers'], MCP_NAME, wanted);
}

function withoutMcp(given: string): string {
  const text = removeAt(given, ['mcpServers', MCP_NAME]);
  return text !== given && same(valueAt(text, ['mcpServers']), {}) ? removeAt(text, ['mcpServers']) : text;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function environment(options: InstallOptions): string {
  return `INTERCOM_SOCKET=${shellWord(options.socket)}\nINTERCOM_KEY_HEADER=${shellWord(options.keyHeader)}\n`;
}

// ── the files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Change {
  readonly file: string;
  readonly what: string;
  /** Undefined: there is no file yet. */
  readonly before: string | undefined;
  readonly after: string;
}

async function plan(file: string, what: string, edit: (text: string) => string): Promise<Change> {
  const before = await readIfThere(file);
  const text = before === undefined || before.trim() === '' ? '{}\n' : before;
  try {
    assertJsonObject(text);
    const after = edit(text);
    return { file, what, before, after: before !== undefined && after === text ? before : after };
  } catch (error) {
    if (!(error instanceof IntercomError)) throw error;
    throw new IntercomError(error.code, `${file}: ${error.message}`, {
      ...(error.next === undefined ? {} : { next: error.next }),
      ...(error.details === undefined ? {} : { details: { ...error.details, file } }),
    });
  }
}

async function part(
  name: string,
  file: string,
  isRight: (text: string) => boolean | Promise<boolean>,
): Promise<HooksStatus['parts'][number]> {
  const text = await readIfThere(file);
  if (text === undefined) return { name, ok: false, detail: `${file} is not there` };
  try {
    return (await isRight(text))
      ? { name, ok: true, detail: file }
      : { name, ok: false, detail: `${file} does not hold what it should` };
  } catch (error) {
    return { name, ok: false, detail: `${file}: ${error instanceof Error ? error.message : 'cannot be read'}` };
  }
}

/** The file itself where `file` is a link, so that the link stays. */
async function realFile(file: string): Promise<string> {
  return realpath(file).catch((error: unknown) => {
    if (isMissing(error)) return file;
    throw error;
  });
}

async function write(file: string, text: string): Promise<void> {
  const real = await realFile(file);
  await mkdir(dirname(real), { recursive: true });
  const mode = await stat(real).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  await replaceFile(real, text, mode);
  await chmod(real, mode);
}

async function backup(options: InstallOptions, manifest: Manifest, change: Change): Promise<void> {
  const file = await realFile(change.file);
  const known = manifest[file];
  // A second install on top of the first: the backup of the first is the one that matters.
  const onTop = known !== undefined && change.before !== undefined && hash(change.before) === known.after;
  if (onTop) {
    manifest[file] = { ...known, after: hash(change.after) };
    return;
  }
  let path: string | null = null;
  if (change.before !== undefined) {
    const folder = join(options.hooksDir, 'backups');
    await privateDirectory(folder);
    path = join(folder, `${hash(file).slice(0, 8)}-${hash(change.before).slice(0, 16)}.json`);
    await replaceFile(path, change.before);
  }
  manifest[file] = {
    before: change.before === undefined ? null : hash(change.before),
    after: hash(change.after),
    backup: path,
  };
}

async function copyScripts(options: InstallOptions): Promise<{ file: string; what: string }[]> {
  await privateDirectory(options.hooksDir);
  const changes: { file: string; what: string }[] = [];
  const put = async (name: string, text: string, mode: number) => {
    const file = join(options.hooksDir, name);
    if ((await readIfThere(file)) === text) return;
    await replaceFile(file, text, mode);
    changes.push({ file, what: 'copied' });
  };
  for (const name of SCRIPTS) await put(name, await readFile(join(options.source, name), 'utf8'), 0o700);
  await put(ENVIRONMENT, environment(options), 0o600);
  return changes;
}

function skillFile(options: InstallOptions, skill: Skill): string {
  return join(options.configDir, 'skills', skill, 'SKILL.md');
}

function skillText(options: InstallOptions, skill: Skill): Promise<string> {
  return readFile(join(options.source, 'skill', skill, 'SKILL.md'), 'utf8');
}

async function skillPlan(options: InstallOptions, skill: Skill): Promise<Change> {
  const file = skillFile(options, skill);
  const after = await skillText(options, skill);
  return { file, what: `/${skill} skill copied`, before: await readIfThere(file), after };
}

/** A text of another hand that stood there before comes back; one that was changed since stays. */
async function removeSkill(
  options: InstallOptions,
  manifest: Manifest,
  skill: Skill,
): Promise<{ file: string; what: string }[]> {
  const file = skillFile(options, skill);
  const present = await readIfThere(file);
  const real = await realFile(file);
  const known = manifest[real];
  Reflect.deleteProperty(manifest, real);
  if (present === undefined) return [];
  const isOurs = known === undefined ? present === (await skillText(options, skill)) : hash(present) === known.after;
  if (!isOurs) return [];
  if (known !== undefined && known.backup !== null) {
    await write(file, await readFile(known.backup, 'utf8'));
    return [{ file, what: `your own /${skill} skill is back` }];
  }
  await rm(file);
  // Directories that others use stay.
  await rmdir(dirname(file)).catch(() => undefined);
  await rmdir(dirname(dirname(file))).catch(() => undefined);
  return [{ file, what: `/${skill} skill removed` }];
}

async function readManifest(options: InstallOptions): Promise<Manifest> {
  const text = await readIfThere(join(options.hooksDir, MANIFEST));
  if (text === undefined) return {};
  try {
    return ManifestFile.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

async function writeManifest(options: InstallOptions, manifest: Manifest): Promise<void> {
  const file = join(options.hooksDir, MANIFEST);
  if (Object.keys(manifest).length > 0) await replaceFile(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  else await rm(file, { force: true });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
