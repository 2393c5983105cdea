/**
 * Which arguments a caller may add. An agent's list holds entries like `--verbose` (alone), `--mode=plan` (with this very value), `--model=`,
 * `--model=<name>` or `--add-dir <directory>` (with any value).
 *
 * Invariants: a flag is compared whole, letter by letter: no abbreviation, no other case, no short flags put together, no value stuck to a short one;
 * what is not on the list is refused, whatever it looks like; a value never begins with `-`, so that none can be read as another flag; nothing
 * without a flag before it passes, so that no caller adds a prompt or an executable; each flag once, and none that the machine's own configuration
 * gives already, since with most programs the last one counts.
 */

interface Entry {
  alone: boolean;
  anyValue: boolean;
  readonly values: Set<string>;
}

/** `--` itself would end the options, `-` is a file or a standard input. */
const NAME = /^--?[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** An argument with more than this in it is not what was shown when it was allowed. */
const UNFIT = /^[\s-]|[\u0000-\u001f\u007f\u2028\u2029]/u;

/** The first argument that may not be used, or undefined when all may. `own`: what the machine's configuration gives anyway. */
export function refusedFlag(
  flags: readonly string[],
  allowed: readonly string[],
  own: readonly string[] = [],
): string | undefined {
  const entries = readList(allowed);
  const taken = new Set(own.filter((argument) => argument.startsWith('-')).map(nameOf));
  for (let index = 0; index < flags.length; index += 1) {
    const flag = flags[index] ?? '';
    const name = nameOf(flag);
    const entry = entries.get(name);
    if (entry === undefined || taken.has(name)) return flag;
    taken.add(name);
    if (flag.length > name.length) {
      if (!mayBe(flag.slice(name.length + 1), entry)) return flag;
      continue;
    }
    const next = flags[index + 1];
    if (next !== undefined && mayBe(next, entry)) index += 1;
    else if (!entry.alone) return flag;
  }
  return undefined;
}

function nameOf(flag: string): string {
  const equals = flag.indexOf('=');
  return equals < 0 ? flag : flag.slice(0, equals);
}

function readList(allowed: readonly string[]): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const text of allowed) {
    const [, name = '', separator = '', value = ''] = /^([^=\s]+)(=|\s+)?(.*)$/.exec(text.trim()) ?? [];
    if (!NAME.test(name)) continue;
    const entry = entries.get(name) ?? { alone: false, anyValue: false, values: new Set<string>() };
    if (separator === '') entry.alone = true;
    else if (value === '' || /^<.*>$/.test(value)) entry.anyValue = true;
    else entry.values.add(value);
    entries.set(name, entry);
  }
  return entries;
}

function mayBe(value: string, entry: Entry): boolean {
  if (value === '' || UNFIT.test(value)) return false;
  return entry.anyValue || entry.values.has(value);
}
