/**
 * Whether an agent program is installed here, where, and which version: looked for on PATH, asked with a time limit, remembered by path, size and time of change.
 *
 * Invariants: what is run is the executable that the catalogue or the configuration names, with the arguments of its table, without input, and never longer than its limit;
 * an empty part of PATH is not the working directory.
 */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { execa } from 'execa';
import type { AgentProgram } from './program.ts';

const VERSION_MS = 10_000;
const OUTPUT_MAX = 20_000;
const REMEMBERED_MAX = 100;
/** What a program needs to say its version; nothing of the daemon's own. */
const ASKED_WITH = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME'];

export interface Probed {
  /** Absolute, as it was found: some programs look at the name that they are called by. Undefined: it is not installed. */
  readonly executable: string | undefined;
  readonly version: string | undefined;
  /** Why it cannot be started, in words with what to do. */
  readonly problem: string | undefined;
}

export interface ProbeOptions {
  /** The environment that it is looked for and asked in. */
  readonly env: NodeJS.ProcessEnv;
}

export class AgentProbe {
  readonly #options: ProbeOptions;
  /** By the file as it was. */
  readonly #versions = new Map<string, Promise<string | undefined>>();

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  async probe(program: AgentProgram): Promise<Probed> {
    const found = await findExecutable(program.executable, this.#options.env);
    if (found === undefined) {
      const where = isAbsolute(program.executable) ? program.executable : `"${program.executable}" on PATH`;
      return {
        executable: undefined,
        version: undefined,
        problem: `${program.displayName} is not installed here: there is no ${where}.`,
      };
    }
    const version = await this.#version(found, program);
    return { executable: found.path, version, problem: problemOf(program, version) };
  }

  #version(found: Found, program: AgentProgram): Promise<string | undefined> {
    const key = [found.path, found.stamp, ...program.versionArgs].join('\0');
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const asked = this.#ask(found.path, program).then((version) => {
      // Something that does not answer now may answer later.
      if (version === undefined) this.#versions.delete(key);
      return version;
    });
    this.#versions.set(key, asked);
    const [oldest] = this.#versions.keys();
    if (this.#versions.size > REMEMBERED_MAX && oldest !== undefined) this.#versions.delete(oldest);
    return asked;
  }

  async #ask(path: string, program: AgentProgram): Promise<string | undefined> {
    const { stdout, stderr } = await execa(path, [...program.versionArgs], {
      timeout: VERSION_MS,
      killSignal: 'SIGKILL',
      stdin: 'ignore',
      maxBuffer: OUTPUT_MAX,
      reject: false,
      env: Object.fromEntries(ASKED_WITH.map((name) => [name, this.#options.env[name]])),
      extendEnv: false,
    });
    return program.parseVersion(stdout) ?? program.parseVersion(stderr);
  }
}

function problemOf(program: AgentProgram, version: string | undefined): string | undefined {
  const { displayName, minimumVersion } = program;
  if (minimumVersion === undefined) return undefined;
  if (version === undefined) return `${displayName} does not say its version; ${minimumVersion} or newer is needed.`;
  if (!olderThan(version, minimumVersion)) return undefined;
  return `${displayName} ${version} is too old; ${minimumVersion} or newer is needed. Update it.`;
}

/** Compares the numbers; what follows them (a pre-release) does not count. */
export function olderThan(version: string, least: string): boolean {
  const numbers = (text: string) => (/^v?([\d.]+)/.exec(text)?.[1] ?? '').split('.').map(Number);
  const own = numbers(version);
  for (const [index, wanted] of numbers(least).entries()) {
    const part = own[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}

interface Found {
  readonly path: string;
  readonly stamp: string;
}

async function findExecutable(name: string, env: NodeJS.ProcessEnv): Promise<Found | undefined> {
  const places = name.includes('/')
    ? [name]
    : (env.PATH ?? '').split(delimiter).flatMap((part) => (isAbsolute(part) ? [join(part, name)] : []));
  for (const place of places) {
    const found = await runnable(place);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function runnable(place: string): Promise<Found | undefined> {
  try {
    const real = await realpath(place);
    const facts = await stat(real);
    if (!facts.isFile()) return undefined;
    await access(real, constants.X_OK);
    return { path: place, stamp: `${real} ${facts.mtimeMs} ${facts.size}` };
  } catch {
    return undefined;
  }
}
