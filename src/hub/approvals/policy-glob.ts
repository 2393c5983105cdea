/**
 * Globs over addresses: `*` and `?` stay inside one segment, `**` (a whole segment) crosses any number of them, `[a-z]` and `[!a]` are
 * classes, `{a,b}` alternatives. `human` and `human:*` are every operator, `human:name` is one; `*` alone is everybody.
 *
 * Invariants: no pattern is compiled to a backtracking regular expression. Matching is two-pointer work inside a segment and again over the
 * segments, so its time is bounded by (pattern length × text length), whatever an agent calls its project.
 */
import type { Address } from '../../protocol/address.ts';

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'many' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

type Segment = 'any-segments' | readonly Token[];

export interface Glob {
  readonly source: string;
  matches(text: string): boolean;
}

/** Alternatives that the braces of one pattern may open up into. */
const ALTERNATIVES_MAX = 64;
const PATTERN_MAX = 300;

/** Reads a pattern. The result's `fault` says in words what is wrong with it. */
export function parseGlob(source: string): { readonly glob: Glob } | { readonly fault: string } {
  if (source === '') return { fault: 'it is empty; write "**" for everybody' };
  if (source.length > PATTERN_MAX) return { fault: `it has more than ${PATTERN_MAX} characters` };
  if (/\s/.test(source)) return { fault: 'it has white space in it' };
  const expanded = expandBraces(source);
  if ('fault' in expanded) return expanded;
  const alternatives: Segment[][] = [];
  for (const text of expanded.texts) {
    const segments: Segment[] = [];
    for (const part of text.split('/')) {
      const segment = part === '**' ? 'any-segments' : tokensOf(part);
      if (typeof segment === 'object' && 'fault' in segment) return segment;
      segments.push(segment);
    }
    alternatives.push(segments);
  }
  return {
    glob: {
      source,
      matches: (text) => {
        const parts = text.split('/');
        return alternatives.some((segments) => matchSegments(segments, parts));
      },
    },
  };
}

/**
 * The address that a pattern is held against: `machine/project` (with `#session` only where the pattern has a `#`), `human` or `human:name`.
 */
export function globMatchesAddress(glob: Glob, address: Address): boolean {
  const source = glob.source;
  if (source === '*' || source === '**') return true;
  if (address.kind === 'human') {
    if (source === 'human' || source === 'human:*') return true;
    return glob.matches(address.name === undefined ? 'human' : `human:${address.name}`);
  }
  const agent = `${address.machine}/${address.project}`;
  if (!source.includes('#')) return glob.matches(agent);
  return address.session !== undefined && glob.matches(`${agent}#${address.session}`);
}

function expandBraces(source: string): { readonly texts: string[] } | { readonly fault: string } {
  let texts = [source];
  for (;;) {
    const next: string[] = [];
    let changed = false;
    for (const text of texts) {
      // The innermost pair first, so that nested alternatives open from the inside.
      const found = /\{([^{}]*)\}/.exec(text);
      if (found === null) {
        if (/[{}]/.test(text)) return { fault: 'a "{" or "}" has no partner' };
        next.push(text);
        continue;
      }
      changed = true;
      const before = text.slice(0, found.index);
      const after = text.slice(found.index + found[0].length);
      for (const option of (found[1] ?? '').split(',')) next.push(`${before}${option}${after}`);
      if (next.length > ALTERNATIVES_MAX)
        return { fault: `its braces mean more than ${ALTERNATIVES_MAX} alternatives` };
    }
    texts = next;
    if (!changed) return { texts };
  }
}

function tokensOf(part: string): readonly Token[] | { readonly fault: string } {
  const tokens: Token[] = [];
  for (let i = 0; i < part.length; i += 1) {
    const character = part.charAt(i);
    const last = tokens.at(-1);
    if (character === '*') {
      if (last?.kind !== 'many') tokens.push({ kind: 'many' });
    } else if (character === '?') {
      tokens.push({ kind: 'one' });
    } else if (character === '[') {
      const end = part.indexOf(']', i + 2);
      if (end < 0) return { fault: 'a "[" has no "]"' };
      tokens.push(classOf(part.slice(i + 1, end)));
      i = end;
    } else {
      tokens.push({ kind: 'text', text: character });
    }
  }
  return tokens;
}

function classOf(inside: string): Token {
  const negated = inside.length > 1 && (inside.startsWith('!') || inside.startsWith('^'));
  const body = negated ? inside.slice(1) : inside;
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < body.length; i += 1) {
    const from = body.charAt(i);
    if (body.charAt(i + 1) === '-' && i + 2 < body.length) {
      ranges.push([from, body.charAt(i + 2)]);
      i += 2;
    } else {
      ranges.push([from, from]);
    }
  }
  return { kind: 'class', negated, ranges };
}

/**
 * One wildcard that may be retried is kept: when the rest does not fit, the latest `**` takes one segment more. Earlier ones never need to
 * be looked at again, which is what bounds the time.
 */
function matchSegments(pattern: readonly Segment[], parts: readonly string[]): boolean {
  return twoPointer(
    pattern,
    parts.length,
    (segment) => segment === 'any-segments',
    (segment, index) => segment !== 'any-segments' && matchTokens(segment, parts[index] ?? ''),
  );
}

function matchTokens(tokens: readonly Token[], text: string): boolean {
  return twoPointer(
    tokens,
    text.length,
    (token) => token.kind === 'many',
    (token, index) => fits(token, text.charAt(index)),
  );
}

function twoPointer<T>(
  pattern: readonly T[],
  length: number,
  isWild: (item: T) => boolean,
  fitsAt: (item: T, index: number) => boolean,
): boolean {
  let p = 0;
  let t = 0;
  let wildAt = -1;
  let wildTook = 0;
  while (t < length) {
    const item = pattern[p];
    if (item !== undefined && isWild(item)) {
      wildAt = p;
      wildTook = t;
      p += 1;
    } else if (item !== undefined && fitsAt(item, t)) {
      p += 1;
      t += 1;
    } else if (wildAt >= 0) {
      wildTook += 1;
      t = wildTook;
      p = wildAt + 1;
    } else {
      return false;
    }
  }
  return pattern.slice(p).every(isWild);
}

function fits(token: Token, character: string): boolean {
  switch (token.kind) {
    case 'text':
      return token.text === character;
    case 'one':
      return true;
    case 'many':
      return false;
    case 'class':
      return token.ranges.some(([from, to]) => from <= character && character <= to) !== token.negated;
  }
}
