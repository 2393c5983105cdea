/**
 * Loads the configuration: file, then environment. A fault names key, line, column and what is allowed; an unknown key is a warning with
 * the nearest known one; no file at all gives the defaults.
 */
import { hostname } from 'node:os';
import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { IntercomError } from '../protocol/errors.ts';
import { isMissing, readableByOthers } from '../platform/files.ts';
import { resolvePaths } from '../platform/paths.ts';
import { configOf } from './config.ts';
import type { Config } from './config.ts';
import { readOverrides } from './env.ts';
import { nearest } from './nearest.ts';
import { ConfigFile, KNOWN_KEYS, LATER_SECTIONS, RENAMED_KEYS, repeats, SECRET_KEYS } from './schema.ts';
import { isPlainObject, readYaml } from './yaml-file.ts';
import type { Place } from './yaml-file.ts';
import type { Origin } from './shown.ts';

export interface ConfigFault extends Place {
  /** The faulty key, dotted: `hub.port`, `projects.0.path`. Empty: the file as a whole. */
  readonly key: string;
  readonly problem: string;
}

export interface ConfigWarning {
  readonly key: string;
  readonly line?: number;
  readonly text: string;
}

export type Checked =
  | {
      readonly ok: true;
      readonly file: ConfigFile;
      readonly warnings: readonly ConfigWarning[];
      readonly lineOf: Origin['lineOf'];
    }
  | { readonly ok: false; readonly faults: readonly ConfigFault[]; readonly warnings: readonly ConfigWarning[] };

export interface LoadOptions {
  /** `--config FILE`; it must exist. Otherwise the usual place, where no file is fine. */
  readonly file?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly home?: string;
  readonly hostname?: string;
}

export interface Loaded {
  readonly config: Config;
  readonly warnings: readonly ConfigWarning[];
  /** The file that was read; undefined when there is none. */
  readonly file: string | undefined;
  readonly origin: Origin;
}

/** Throws `invalid_config` with the first fault in its message and all of them in `details.faults`. */
export async function loadConfig(options: LoadOptions = {}): Promise<Loaded> {
  const env = options.env ?? process.env;
  const overrides = readOverrides(env);
  const paths = resolvePaths(env, options.home);
  const path = options.file === undefined ? paths.configFile : fromHere(options.file);
  const text = await readConfigText(path, options.file !== undefined);
  const checked = checkConfig(text ?? '');
  if (!checked.ok) throw faultError(path, checked.faults);
  const home = options.home ?? env.HOME ?? '/';
  const config = configOf(checked.file, overrides, { home, hostname: options.hostname ?? hostname() });
  const warnings = [...checked.warnings];
  if (text !== undefined && holdsSecret(checked.file) && (await readableByOthers(path))) {
    warnings.push({ key: '', text: `it holds secrets and others on this machine can read it; run: chmod 600 ${path}` });
  }
  const origin = { file: checked.file, overrides, lineOf: checked.lineOf };
  return { config, warnings, file: text === undefined ? undefined : path, origin };
}

/** Reads and checks the text of a configuration file, without environment. */
export function checkConfig(text: string): Checked {
  const yaml = readYaml(text);
  if (!yaml.ok) return { ok: false, faults: yaml.faults.map((fault) => ({ ...fault, key: '' })), warnings: [] };
  const warnings = unknownKeys(yaml.value, yaml.placeOf);
  const parsed = ConfigFile.safeParse(yaml.value);
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, 20).map((issue) => ({
      key: dotted(issue.path),
      ...yaml.placeOf(issue.path),
      problem: problemOf(issue, valueAt(yaml.value, issue.path)),
    }));
    return { ok: false, faults, warnings };
  }
  const twice = repeats(parsed.data).map(({ path, problem }) => ({
    key: dotted(path),
    ...yaml.placeOf(path),
    problem,
  }));
  if (twice.length > 0) return { ok: false, faults: twice, warnings };
  const lineOf: Origin['lineOf'] = (path) =>
    valueAt(yaml.value, path) === undefined ? undefined : yaml.placeOf(path).line;
  return { ok: true, file: parsed.data, warnings, lineOf };
}

/** The text of the file; undefined when there is none and none was asked for. */
export async function readConfigText(path: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error) && !required) return undefined;
    const why = isMissing(error) ? 'there is no such file' : error instanceof Error ? error.message : 'unknown reason';
    throw new IntercomError('invalid_config', `The configuration ${path} cannot be read: ${why}.`, {
      next: isMissing(error) ? 'Check the path, or make one with `intercom init`.' : 'Check its permissions.',
      cause: error,
    });
  }
}

/** One fault as a line: `config.yml:3:7 hub.port: …`. */
export function faultLine(path: string, fault: ConfigFault): string {
  return `${path}:${fault.line}:${fault.column} ${fault.key === '' ? '' : `${fault.key}: `}${fault.problem}`;
}

export function faultError(path: string, faults: readonly ConfigFault[]): IntercomError {
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  const line = first === undefined ? path : faultLine(path, first);
  return new IntercomError('invalid_config', `${line}${more}`, {
    ...(first === undefined || first.key === '' ? {} : { field: first.key }),
    next: 'Correct it; `intercom config check` lists every fault.',
    details: { file: path, faults },
  });
}

function unknownKeys(
  value: Record<string, unknown>,
  placeOf: (path: readonly PropertyKey[]) => Place,
): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const walk = (at: unknown, path: readonly (string | number)[]): void => {
    if (Array.isArray(at)) {
      at.forEach((inner, index) => walk(inner, [...path, index]));
      return;
    }
    const place = path.map((step) => (typeof step === 'number' ? '[]' : step));
    const known = KNOWN_KEYS[place.join('.')] ?? KNOWN_KEYS[[...place.slice(0, -1), '*'].join('.')];
    if (!isPlainObject(at) || known === undefined) return;
    for (const [key, inner] of Object.entries(at)) {
      const full = [...path, key];
      if (!known.includes(key))
        warnings.push({ key: dotted(full), line: placeOf(full).line, text: unknownText(key, known) });
      else walk(inner, full);
      const renamed = RENAMED_KEYS[dotted(full)];
      if (renamed !== undefined)
        warnings.push({ key: dotted(full), line: placeOf(full).line, text: `not needed any more: ${renamed}` });
      if (path.length === 0 && LATER_SECTIONS.includes(key)) {
        warnings.push({
          key,
          line: placeOf(full).line,
          text: 'read and checked, but this version does nothing with it yet',
        });
      }
    }
  };
  walk(value, []);
  return warnings.slice(0, 100);
}

function unknownText(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `unknown key, ignored; did you mean "${near}"?`;
  return `unknown key, ignored; known here: ${known.join(', ')}`;
}

function problemOf(issue: z.core.$ZodIssue, value: unknown): string {
  const isSecret = SECRET_KEYS.includes(dotted(issue.path)) || issue.path.includes('env');
  const shown = isSecret ? '' : shownValue(value);
  return `${shown}${expectation(issue)}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `allowed: ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `at least ${String(issue.minimum)}${unitOf(issue.origin)}`;
    case 'too_big':
      return `at most ${String(issue.maximum)}${unitOf(issue.origin)}`;
    case 'invalid_union':
      return unionExpectation(issue);
    case 'not_multiple_of':
    case 'invalid_format':
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return issue.message;
    default:
      return 'it is not valid';
  }
}

// Either one entry or a list: what is wrong with the entry says more than "invalid input".
function unionExpectation(issue: z.core.$ZodIssueInvalidUnion): string {
  const inner = issue.errors.flat().find((one) => one.code === 'custom') ?? issue.errors[0]?.[0];
  return inner === undefined || inner.code === 'invalid_union' ? issue.message : expectation(inner);
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text (put it in quotes if it looks like a number)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values below it',
  record: 'keys and values below it',
};

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  if (origin === 'array') return ' entries';
  return '';
}

function shownValue(value: unknown): string {
  if (value === undefined) return 'it is missing; ';
  if (typeof value === 'string') return `"${value.slice(0, 60)}${value.length > 60 ? '…' : ''}" is not valid: `;
  if (typeof value === 'number' || typeof value === 'boolean') return `${String(value)} is not valid: `;
  return '';
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) {
    if (Array.isArray(at) && typeof step === 'number') at = at[step];
    else if (isPlainObject(at) && typeof step === 'string' && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}

function holdsSecret(file: ConfigFile): boolean {
  const variables = Object.values(file.agent_launcher.agents).some(({ env }) => Object.keys(env).length > 0);
  return file.telegram.bot_token !== undefined || file.auth.token !== undefined || variables;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}

// A path that a person types on the command line means what it means in their shell.
function fromHere(file: string): string {
  return isAbsolute(file) ? file : resolve(file);
}
