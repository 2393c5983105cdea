/**
 * Changes JSON texts in place: only the member that is meant is touched; order, indentation, number forms and everything else of the file
 * stay as they are byte for byte.
 */
import { IntercomError } from '../../../protocol/errors.ts';

interface Node {
  readonly start: number;
  /** After its last character. */
  readonly end: number;
  readonly kind: 'object' | 'array' | 'scalar';
  readonly members: readonly { readonly key: string; readonly keyStart: number; readonly value: Node }[];
  readonly items: readonly Node[];
}

export type JsonPath = readonly (string | number)[];

const DEPTH_MAX = 200;

/** Reads a text into nodes with their places. Throws `invalid_config` with the line. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Node {
    if (this.#text.startsWith('\uFEFF')) this.#at = 1;
    const node = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault();
    return node;
  }

  #value(depth: number): Node {
    if (depth > DEPTH_MAX) throw this.#fault();
    this.#space();
    const start = this.#at;
    const first = this.#text[start];
    if (first === '{') return this.#object(start, depth);
    if (first === '[') return this.#array(start, depth);
    const scalar =
      /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    scalar.lastIndex = start;
    const found = scalar.exec(this.#text);
    if (found === null) throw this.#fault();
    this.#at = start + found[0].length;
    return { start, end: this.#at, kind: 'scalar', members: [], items: [] };
  }

  #object(start: number, depth: number): Node {
    const members: { key: string; keyStart: number; value: Node }[] = [];
    this.#at += 1;
    for (let first = true; !this.#closes('}'); first = false) {
      if (!first) this.#expect(',');
      this.#space();
      const keyStart = this.#at;
      if (this.#text[keyStart] !== '"') throw this.#fault();
      const key = this.#value(depth);
      this.#expect(':');
      const name: unknown = JSON.parse(this.#text.slice(key.start, key.end));
      members.push({ key: String(name), keyStart, value: this.#value(depth + 1) });
    }
    return { start, end: this.#at, kind: 'object', members, items: [] };
  }

  #array(start: number, depth: number): Node {
    const items: Node[] = [];
    this.#at += 1;
    for (let first = true; !this.#closes(']'); first = false) {
      if (!first) this.#expect(',');
      items.push(this.#value(depth + 1));
    }
    return { start, end: this.#at, kind: 'array', members: [], items };
  }

  #closes(mark: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #expect(mark: string): void {
    this.#space();
    if (this.#text[this.#at] !== mark) throw this.#fault();
    this.#at += 1;
  }

  #space(): void {
    while (/^[ \t\r\n]$/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #fault(): IntercomError {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    return new IntercomError('invalid_config', `It is not valid JSON: line ${line}.`, {
      next: `Correct line ${line} and run it again; nothing was changed.`,
      details: { line },
    });
  }
}

function readNode(text: string): Node {
  return new Reader(text).document();
}

function child(node: Node, step: string | number): Node | undefined {
  if (typeof step === 'number') return node.items[step];
  // Of two members with one name, readers take the last.
  return node.members.findLast((member) => member.key === step)?.value;
}

function nodeAt(text: string, path: JsonPath): Node | undefined {
  let node: Node | undefined = readNode(text);
  for (const step of path) node = node === undefined ? undefined : child(node, step);
  return node;
}

/** Throws `invalid_config` with the line unless the text is JSON with an object at the top. */
export function assertJsonObject(text: string): void {
  if (readNode(text).kind === 'object') return;
  throw new IntercomError('invalid_config', 'It does not hold a JSON object.', {
    next: 'Correct the file; nothing was changed.',
  });
}

/** The value at a path, or undefined. */
export function valueAt(text: string, path: JsonPath): unknown {
  const node = nodeAt(text, path);
  if (node === undefined) return undefined;
  const value: unknown = JSON.parse(text.slice(node.start, node.end));
  return value;
}

/** Adds at the end of the object or array at `path` (which must be there): a member for an object (`key` given), an item for an array. */
export function addTo(text: string, path: JsonPath, key: string | undefined, value: unknown): string {
  const node = nodeAt(text, path);
  if (node === undefined || node.kind !== (key === undefined ? 'array' : 'object')) {
    throw new IntercomError('invalid_config', `"${path.join('.')}" is not what it has to be in this file.`, {
      next: 'Look at that part of the file; nothing was changed.',
    });
  }
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const last = key === undefined ? node.items.at(-1) : node.members.at(-1)?.value;
  const compact = last !== undefined && !text.slice(node.start, node.end).includes('\n');
  const unit = indentUnit(text);
  const outer = lineIndent(text, node.start);
  const label = key === undefined ? '' : `${JSON.stringify(key)}: `;
  if (compact) {
    const inside = JSON.stringify(value);
    return `${text.slice(0, last.end)}, ${label}${inside}${text.slice(last.end)}`;
  }
  const inner = outer + unit;
  const body = JSON.stringify(value, undefined, unit)
    .split('\n')
    .join(newline + inner);
  if (last === undefined) {
    const open = text.slice(0, node.start + 1);
    return `${open}${newline}${inner}${label}${body}${newline}${outer}${text.slice(node.end - 1)}`;
  }
  return `${text.slice(0, last.end)},${newline}${inner}${label}${body}${text.slice(last.end)}`;
}

/** Takes out the member or item at `path`, with its comma. Nothing there: nothing happens. */
export function removeAt(text: string, path: JsonPath): string {
  const parent = nodeAt(text, path.slice(0, -1));
  const step = path.at(-1);
  if (parent === undefined || step === undefined) return text;
  const spans =
    typeof step === 'number'
      ? parent.items.map(({ start, end }) => ({ start, end }))
      : parent.members.map(({ keyStart, value }) => ({ start: keyStart, end: value.end }));
  const index = typeof step === 'number' ? step : parent.members.findLastIndex((member) => member.key === step);
  const span = spans[index];
  if (span === undefined) return text;
  const before = spans[index - 1];
  const after = spans[index + 1];
  if (before !== undefined) return text.slice(0, before.end) + text.slice(span.end);
  if (after !== undefined) return text.slice(0, span.start) + text.slice(after.start);
  return text.slice(0, parent.start + 1) + text.slice(parent.end - 1);
}

/** What the file uses for one level: the white space of its first indented line. */
function indentUnit(text: string): string {
  return /\n([ \t]+)\S/.exec(text)?.[1] ?? '  ';
}

function lineIndent(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start, at))?.[0] ?? '';
}
