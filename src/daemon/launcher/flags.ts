/**
 * Which arguments a caller may add. An agent's list holds entries like `--verbose` (alone), `--mode=plan` (with this very value), `--model=`,
 * `--model=<name>` or `--add-dir <directory>` (with any value).
 *
 * Invariants: what is not on the list is refused, whatever it looks like; a value never begins with `-`, so that none can be read as another flag;
 * nothing without a flag before it passes, so that no caller adds a prompt or an executable.
 */

interface Entry {
  alone: boolean;
  anyValue: boolean;
  readonly values: Set<string>;
}

/** The first argument that may not be used, or undefined when all may. */
export function refusedFlag(flags: readonly string[], allowed: readonly string[]): string | undefined {
  const entries = readList(allowed);
  for (let index = 0; index < flags.length; index += 1) {
    const flag = flags[index] ?? '';
    const equals = flag.indexOf('=');
    const entry = flag.startsWith('-') ? entries.get(equals < 0 ? flag : flag.slice(0, equals)) : undefined;
    if (entry === undefined) return flag;
    if (equals >= 0) {
      if (!mayBe(flag.slice(equals + 1), entry)) return flag;
      continue;
    }
    const next = flags[index + 1];
    if (next !== undefined && mayBe(next, entry)) index += 1;
    else if (!entry.alone) return flag;
  }
  return undefined;
}

function readList(allowed: readonly string[]): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const text of allowed) {
    const [, name = '', separator = '', value = ''] = /^([^=\s]+)(=|\s+)?(.*)$/.exec(text.trim()) ?? [];
    const entry = entries.get(name) ?? { alone: false, anyValue: false, values: new Set<string>() };
    if (separator === '') entry.alone = true;
    else if (value === '' || /^<.*>$/.test(value)) entry.anyValue = true;
    else entry.values.add(value);
    entries.set(name, entry);
  }
  return entries;
}

function mayBe(value: string, entry: Entry): boolean {
  if (value === '' || value.startsWith('-') || value.includes('\0')) return false;
  return entry.anyValue || entry.values.has(value);
}
