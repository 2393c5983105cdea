/**
 * Counts the uses of one batch against what was counted before: pure, so that "each request once, with its last figures" can be tried out in every order.
 *
 * A line of a request that is known adds only what it has grown. One that stands in two files belongs to the session of the file that was made first; the other is a fork, and its copy counts
 * nowhere.
 */
import { hourOf } from './spans.ts';
import type { Counts, Use } from './use.ts';

/** A request that counts. */
export interface Counted extends Counts {
  readonly file: number;
  /** When that file was made. */
  readonly born: number;
  readonly session: string;
  readonly at: number;
  readonly costUsd: number | undefined;
}

export interface Sum extends Counts {
  readonly costUsd: number;
  readonly unpriced: number;
}

const NOTHING: Sum = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, costUsd: 0, unpriced: 0 };

export class Tally {
  /** What the known requests are now. */
  readonly changed = new Map<string, Counted>();
  /** What is to be added to each hour and session; may be negative. */
  readonly hours = new Map<number, Sum>();
  readonly sessions = new Map<string, Sum>();
  readonly #file: { readonly id: number; readonly born: number };
  readonly #known: ReadonlyMap<string, Counted>;

  constructor(file: { readonly id: number; readonly born: number }, known: ReadonlyMap<string, Counted>) {
    this.#file = file;
    this.#known = known;
  }

  take(key: string, use: Use): void {
    const before = this.changed.get(key) ?? this.#known.get(key);
    const own = { file: this.#file.id, born: this.#file.born };
    if (before === undefined) this.#change(key, undefined, { ...use, ...own });
    else if (before.session === use.session) {
      // Usage only grows; a copy that was made before the end says less.
      if (use.output >= before.output) this.#change(key, before, { ...use, at: before.at, ...older(before, own) });
    } else if (own.born < before.born) this.#change(key, before, { ...use, at: before.at, ...own });
  }

  #change(key: string, before: Counted | undefined, { file, born, session, at, costUsd, ...rest }: Counted): void {
    const { input, output, cacheRead, cacheWrite } = rest;
    const now = { input, output, cacheRead, cacheWrite, file, born, session, at, costUsd };
    this.changed.set(key, now);
    if (before !== undefined) this.#add(before, -1);
    this.#add(now, 1);
  }

  #add(counted: Counted, sign: 1 | -1): void {
    const hour = hourOf(counted.at);
    this.hours.set(hour, plus(this.hours.get(hour), counted, sign));
    this.sessions.set(counted.session, plus(this.sessions.get(counted.session), counted, sign));
  }
}

interface FileMark {
  readonly file: number;
  readonly born: number;
}

function older(a: FileMark, b: FileMark): FileMark {
  const { file, born } = a.born <= b.born ? a : b;
  return { file, born };
}

function plus(sum: Sum = NOTHING, counted: Counted, sign: 1 | -1): Sum {
  return {
    input: sum.input + sign * counted.input,
    output: sum.output + sign * counted.output,
    cacheRead: sum.cacheRead + sign * counted.cacheRead,
    cacheWrite: sum.cacheWrite + sign * counted.cacheWrite,
    costUsd: sum.costUsd + sign * (counted.costUsd ?? 0),
    unpriced: sum.unpriced + (counted.costUsd === undefined ? sign : 0),
  };
}
