/**
 * The journal of one run: everything that structure is made of, numbered from 1, in a file that outlives the runner.
 *
 * Invariants: an entry is in the file before anybody is told of it; entries are whole lines, so that one cut by a crash is recognised; an entry's
 * text is at most JOURNAL_ENTRY_MAX bytes, the file at most its caps, and what is left out is marked (`cut`). `exit` is always kept.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { Clock } from '../../platform/clock.ts';
import { isoTime } from '../../platform/clock.ts';
import { JOURNAL_ENTRY_MAX } from '../../protocol/runner-api.ts';
import type { JournalEntry } from '../../protocol/runner-api.ts';

export interface JournalLimits {
  /** From this size on only the beginning of each text is kept (`shortText` bytes). */
  readonly shorten: number;
  readonly shortText: number;
  /** From this size on nothing is kept but the exit. */
  readonly full: number;
}

const LIMITS: JournalLimits = {
  shorten: 256 * 1024 * 1024,
  shortText: 4 * 1024,
  full: 320 * 1024 * 1024,
};
/** Every how many entries their place in the file is remembered. */
const MARK_EVERY = 64;
const READ_SIZE = 256 * 1024;

export type NewEntry = Omit<JournalEntry, 'seq' | 'at' | 'cut'> & { readonly cut?: boolean };

export class Journal {
  readonly #file: number;
  readonly #clock: Clock;
  readonly #limits: JournalLimits;
  readonly #listeners = new Set<() => void>();
  /** The place of entries 1, 1 + MARK_EVERY, … */
  readonly #marks: number[] = [];
  #size = 0;
  #seq = 0;
  #full = false;

  constructor(path: string, clock: Clock, limits: JournalLimits = LIMITS) {
    this.#file = openSync(path, 'wx+', 0o600);
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The number of the newest entry; 0: none. */
  get seq(): number {
    return this.#seq;
  }

  /** The file's size, as a place to read up to. */
  get size(): number {
    return this.#size;
  }

  /** Called after an entry is in the file. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes an entry; undefined: the journal is full. */
  append(entry: NewEntry): JournalEntry | undefined {
    const isExit = entry.kind === 'exit';
    if (this.#full && !isExit) return undefined;
    const lastOne = this.#size >= this.#limits.full && !isExit;
    const max = lastOne
      ? 0
      : this.#size >= this.#limits.shorten && !isExit
        ? this.#limits.shortText
        : JOURNAL_ENTRY_MAX;
    const text = cutBytes(entry.text, max);
    const whole: JournalEntry = {
      ...entry,
      text,
      seq: this.#seq + 1,
      at: isoTime(this.#clock.now()),
      cut: entry.cut === true || text.length < entry.text.length,
    };
    const bytes = Buffer.from(`${JSON.stringify(whole)}\n`);
    if (this.#seq % MARK_EVERY === 0) this.#marks.push(this.#size);
    let written = 0;
    while (written < bytes.length)
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#size + written);
    this.#size += bytes.length;
    this.#seq += 1;
    this.#full = lastOne;
    for (const listener of [...this.#listeners]) listener();
    return whole;
  }

  /** A place in the file at or before the entry after number `seq`, and the number of the entry there. */
  placeAfter(seq: number): { readonly offset: number; readonly seq: number } {
    if (seq >= this.#seq) return { offset: this.#size, seq: this.#seq + 1 };
    const mark = Math.floor(seq / MARK_EVERY);
    return { offset: this.#marks[mark] ?? 0, seq: mark * MARK_EVERY + 1 };
  }

  /** Whole lines from a place in the file on: at least one where there is one, otherwise up to READ_SIZE bytes. */
  read(offset: number): { readonly lines: string[]; readonly next: number } {
    const parts: Buffer[] = [];
    let at = offset;
    while (at < this.#size) {
      const part = Buffer.alloc(Math.min(READ_SIZE, this.#size - at));
      const count = readSync(this.#file, part, 0, part.length, at);
      if (count === 0) break;
      at += count;
      const last = part.subarray(0, count).lastIndexOf(0x0a);
      if (last === -1) {
        parts.push(part.subarray(0, count));
        continue;
      }
      parts.push(part.subarray(0, last));
      return { lines: Buffer.concat(parts).toString('utf8').split('\n'), next: at - count + last + 1 };
    }
    return { lines: [], next: offset };
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The beginning of a text, at most `max` bytes of UTF-8, no character cut. */
export function cutBytes(text: string, max: number): string {
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 <= max) return text;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= max) return text;
  let end = max;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
