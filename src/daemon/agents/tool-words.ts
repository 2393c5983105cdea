/**
 * What a tool call is, in words: one line for a list, and the whole of it for whoever has to allow it. Agents name their tools and inputs differently; what is
 * recognised here is the shape of the input (a command, a path, a URL, two texts), so that a tool that nobody has seen still reads well.
 *
 * Invariants: nothing is left out of the whole text but beyond its bound, and then that is said; labels are one line and hold no control characters.
 */
import { z } from 'zod';
import { toolLine } from '../../protocol/tool-line.ts';

const text = z.string().optional().catch(undefined);
const Input = z.looseObject({
  command: z
    .union([z.string(), z.array(z.string()).transform((words) => words.join(' '))])
    .optional()
    .catch(undefined),
  description: text,
  file_path: text,
  filePath: text,
  absolute_path: text,
  notebook_path: text,
  path: text,
  old_string: text,
  oldString: text,
  new_string: text,
  newString: text,
  new_source: text,
  content: text,
  edits: z
    .array(z.looseObject({ old_string: z.string(), new_string: z.string() }))
    .optional()
    .catch(undefined),
  pattern: text,
  query: text,
  url: text,
  prompt: text,
  plan: text,
  skill: text,
  subject: text,
  subagent_type: text,
  dir_path: text,
});
type Input = z.infer<typeof Input>;

export interface ToolWords {
  /** "Edit src/app.ts", "Run: npm test", "Search: TODO". */
  readonly label: string;
  readonly shape: 'tool' | 'file' | 'command';
}

const LABEL_MAX = 200;
/** Parts of a path that tell enough. */
const PATH_PARTS = 3;
/** Of one tool's whole input. */
export const INPUT_TEXT_MAX = 100_000;

/** Verbs by the tool's name, in small letters and without `_`. */
const VERBS: Readonly<Record<string, string>> = {
  edit: 'Edit',
  multiedit: 'Edit',
  replace: 'Edit',
  applypatch: 'Edit',
  write: 'Write',
  writefile: 'Write',
  notebookedit: 'Edit',
  read: 'Read',
  readfile: 'Read',
  readmanyfiles: 'Read',
  ls: 'List',
  list: 'List',
  listdirectory: 'List',
};
const SEARCHES = new Set(['grep', 'glob', 'searchfilecontent', 'grepsearch', 'toolsearch']);
const AGENTS = new Set(['task', 'agent', 'delegate']);

export function toolWords(tool: string, input: unknown, cwd = ''): ToolWords {
  const { label, shape } = describe(tool, Input.safeParse(input).data ?? {}, cwd);
  return { label: oneLine(label, LABEL_MAX) || 'a tool', shape };
}

/** What is asked with this call, in one line: "Bash: npm publish". */
export function askWords(tool: string, input: unknown, cwd = ''): string {
  return oneLine(toolLine({ tool, summary: toolWords(tool, input, cwd).label }), 500);
}

function describe(tool: string, input: Input, cwd: string): ToolWords {
  const mcp = /^mcp__(.+?)__(.+)$/.exec(tool);
  if (mcp !== null) return { label: `${mcp[1] ?? ''}: ${(mcp[2] ?? '').replaceAll('_', ' ')}`, shape: 'tool' };
  const name = tool.toLowerCase().replaceAll('_', '');
  const path = input.file_path ?? input.filePath ?? input.absolute_path ?? input.notebook_path;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (SEARCHES.has(name)) return { label: `Search: ${input.pattern ?? input.query ?? ''}`, shape: 'tool' };
  if (AGENTS.has(name)) return { label: `Delegate: ${input.description ?? input.prompt ?? ''}`, shape: 'tool' };
  if (input.command !== undefined) return { label: `Run: ${input.command}`, shape: 'command' };
  const where = path ?? (verb === undefined ? undefined : (input.path ?? input.dir_path));
  if (where !== undefined) {
    return { label: `${verb ?? tool} ${shortPath(where, cwd)}`, shape: verb === undefined ? 'tool' : 'file' };
  }
  if (name === 'websearch' || name === 'googlewebsearch') {
    return { label: `Search the web: ${input.query ?? ''}`, shape: 'tool' };
  }
  if (input.url !== undefined) return { label: `Open ${input.url}`, shape: 'tool' };
  if (name === 'exitplanmode') return { label: 'Propose a plan', shape: 'tool' };
  if (input.skill !== undefined) return { label: `Use the skill ${input.skill}`, shape: 'tool' };
  if (/^todo|^task|plan$/.test(name)) {
    return { label: `Plan${input.subject === undefined ? '' : `: ${input.subject}`}`, shape: 'tool' };
  }
  const more = input.description ?? input.query ?? input.pattern ?? input.subject;
  return { label: more === undefined ? tool : `${tool}: ${more}`, shape: 'tool' };
}

/** The end of a path, which tells most; below `cwd` without it. */
export function shortPath(path: string, cwd: string): string {
  const below = cwd !== '' && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
  const parts = below.split('/').filter((part) => part !== '');
  if (parts.length <= PATH_PARTS) return below;
  return `…/${parts.slice(-PATH_PARTS).join('/')}`;
}

/** The whole input as a person reads it, within the bound. */
export function toolInputText(input: unknown): { readonly text: string; readonly cut: boolean } {
  return wholeWithin(wholeText(input), INPUT_TEXT_MAX);
}

/** A text of any length as a card shows it, and whether that is not all of it. */
export function wholeWithin(given: string, max: number): { readonly text: string; readonly cut: boolean } {
  const whole = visible(given);
  if (whole.length <= max) return { text: whole, cut: false };
  return { text: whole.slice(0, max).replace(/[\ud800-\udbff]$/, ''), cut: true };
}

/** Characters that hide, move or turn what stands around them, as their codes: a card must read as what will run. */
function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function wholeText(given: unknown): string {
  const input = Input.safeParse(given).data;
  if (input === undefined) return JSON.stringify(given, undefined, 2);
  const path = input.file_path ?? input.filePath ?? input.absolute_path ?? input.notebook_path;
  const parts: string[] = [];
  const told = new Set<string>();
  const tell = (names: readonly string[], part: string): void => {
    parts.push(part);
    for (const name of names) told.add(name);
  };
  if (path !== undefined) tell(['file_path', 'filePath', 'absolute_path', 'notebook_path'], path);
  if (input.command !== undefined) tell(['command'], input.command);
  if (input.url !== undefined) tell(['url'], input.url);
  if (input.plan !== undefined) tell(['plan'], input.plan);
  const before = input.old_string ?? input.oldString;
  const after = input.new_string ?? input.newString;
  if (before !== undefined || after !== undefined) {
    tell(['old_string', 'oldString', 'new_string', 'newString'], difference(before ?? '', after ?? ''));
  }
  if (input.edits !== undefined) {
    tell(['edits'], input.edits.map((edit) => difference(edit.old_string, edit.new_string)).join('\n\n'));
  }
  if (input.content !== undefined) tell(['content'], marked('+', input.content));
  if (input.new_source !== undefined) tell(['new_source'], marked('+', input.new_source));
  const rest = Object.entries(input).filter(
    ([name, value]) => value !== undefined && !told.has(name) && !(name === 'replace_all' && value === false),
  );
  if (rest.length > 0) parts.push(restText(Object.fromEntries(rest), parts.length > 0));
  return parts.join('\n\n');
}

/** Short values as lines and long ones as they are, so that neither a description beside a command nor a patch is JSON. */
function restText(rest: Readonly<Record<string, unknown>>, besides: boolean): string {
  const entries = Object.entries(rest);
  const isLong = (value: unknown) => typeof value === 'string' && value.includes('\n');
  const isPlain = (value: unknown) => ['boolean', 'number', 'string'].includes(typeof value);
  const readsAsLines = entries.some(([, value]) => isLong(value)) || (besides && entries.every(([, v]) => isPlain(v)));
  if (!readsAsLines) return JSON.stringify(rest, undefined, 2);
  const short = entries.filter(([, value]) => !isLong(value));
  const long = entries.filter(([, value]) => isLong(value));
  const lines = short.map(([name, value]) => `${name}: ${isPlain(value) ? String(value) : JSON.stringify(value)}`);
  return [
    ...(lines.length === 0 ? [] : [lines.join('\n')]),
    ...long.map(([name, value]) => `${name}:\n${String(value)}`),
  ].join('\n\n');
}

/** What both begin and end with stands once, unmarked. */
function difference(before: string, after: string): string {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  const most = Math.min(old.length, fresh.length);
  let head = 0;
  while (head < most && old[head] === fresh[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === fresh.at(-1 - tail)) tail += 1;
  const between = (lines: readonly string[]) => lines.slice(head, lines.length - tail);
  return [
    ...old.slice(0, head).map((line) => `  ${line}`),
    ...between(old).map((line) => `- ${line}`),
    ...between(fresh).map((line) => `+ ${line}`),
    ...old.slice(old.length - tail).map((line) => `  ${line}`),
  ].join('\n');
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function marked(mark: string, lines: string): string {
  return linesOf(lines)
    .map((line) => `${mark} ${line}`)
    .join('\n');
}

/** One line of at most `max` characters. */
export function oneLine(given: string, max: number): string {
  // Whole texts can be large; what lies far behind the bound cannot show.
  const clean = given
    .slice(0, max * 8)
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
