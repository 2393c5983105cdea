/**
 * YAML with places: the plain value of a document, and for every path in it the line and column, so that a fault can be shown where
 * it is. Used for config.yml; policies.yml has the same rules.
 *
 * Invariants: the answer is a plain object or a fault, whatever the text; aliases cannot blow it up; nulls are gone.
 */
import { isAlias, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlFault extends Place {
  readonly problem: string;
}

export type YamlResult =
  | {
      readonly ok: true;
      readonly value: Record<string, unknown>;
      readonly placeOf: (path: readonly PropertyKey[]) => Place;
    }
  | { readonly ok: false; readonly faults: readonly YamlFault[] };

/** A configuration of a person is far below this; more is a mistake, and slow to read. */
const MAX_CHARACTERS = 1024 * 1024;
const MAX_DEPTH = 100;

export function readYaml(text: string): YamlResult {
  if (text.length > MAX_CHARACTERS) return oneFault('the file is larger than 1 MiB');
  if (nestedTooDeep(text)) return oneFault(`the file is nested more than ${MAX_DEPTH} levels deep`);
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
    if (document.errors.length > 0) {
      const faults = document.errors.slice(0, 20).map((error) => ({
        ...place(lines, error.pos[0]),
        problem: plainProblem(error.message),
      }));
      return { ok: false, faults };
    }
    const value: unknown = withoutNulls(document.toJS({ maxAliasCount: 100 }));
    if (value === undefined) return { ok: true, value: {}, placeOf: () => ({ line: 1, column: 1 }) };
    if (!isPlainObject(value)) return oneFault('the file must hold keys and values, like "mode: standalone"');
    return { ok: true, value, placeOf: (path) => placeOf(document, lines, path) };
  } catch (error) {
    // The parser's own refusals: too many aliases, recursion too deep.
    return oneFault(error instanceof Error ? plainProblem(error.message) : 'it cannot be read');
  }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where the key (or list entry) of `path` is; the nearest parent's place if the path itself is not in the text. */
function placeOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): Place {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (!isPair(pair)) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = startOf(node) ?? offset;
    } else {
      break;
    }
  }
  return place(lines, offset);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function place(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** A key with nothing behind it means that it was not given. */
function withoutNulls(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutNulls(inner)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

// Cheap and generous; keeps the recursive parser away from texts that are made to overflow it.
function nestedTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > MAX_DEPTH) return true;
  }
  return text.split('\n').some((line) => (/^[-?\s]*/.exec(line)?.[0].replace(/\s/g, '').length ?? 0) > MAX_DEPTH);
}

function plainProblem(message: string): string {
  const sentence = message.split('\n')[0]?.trim().replace(/[.:]$/, '') ?? '';
  return sentence === '' ? 'it is not valid YAML' : `it is not valid YAML: ${sentence.slice(0, 200)}`;
}

function oneFault(problem: string): YamlResult {
  return { ok: false, faults: [{ line: 1, column: 1, problem }] };
}
