/**
 * Sends the journal to the daemon, from the entry that it needs on, then as it grows.
 *
 * Invariants: in order and without a gap; only what is in the file is sent; the next part is read when the last one has left, so a slow daemon costs no
 * memory; what belongs to an entry (`afterEntry`) goes out after it.
 */
import type { Journal } from './journal.ts';

export class JournalFeed {
  readonly #journal: Journal;
  readonly #send: (frame: string, sent: () => void) => void;
  readonly #unsubscribe: () => void;
  readonly #after: number;
  readonly #waiting: { readonly seq: number; readonly task: () => void }[] = [];
  #offset: number;
  /** The number of the entry at `#offset`. */
  #next: number;
  #busy = false;
  #stopped = false;

  constructor(journal: Journal, after: number, send: (frame: string, sent: () => void) => void) {
    this.#journal = journal;
    this.#send = send;
    this.#after = after;
    const { offset, seq } = journal.placeAfter(after);
    this.#offset = offset;
    this.#next = seq;
    this.#unsubscribe = journal.onAppend(() => this.#pump());
    this.#pump();
  }

  /** Runs `task` as soon as entry `seq` has been handed over; at once where it has been. */
  afterEntry(seq: number, task: () => void): void {
    if (seq < this.#next) task();
    else this.#waiting.push({ seq, task });
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#unsubscribe();
  }

  #pump(): void {
    while (!this.#busy && !this.#stopped && this.#offset < this.#journal.size) {
      const { lines, next } = this.#journal.read(this.#offset);
      if (lines.length === 0) return;
      this.#offset = next;
      this.#hand(lines);
      while ((this.#waiting[0]?.seq ?? Infinity) < this.#next) this.#waiting.shift()?.task();
    }
  }

  #hand(lines: readonly string[]): void {
    const wanted = lines.filter(() => {
      this.#next += 1;
      return this.#next - 1 > this.#after;
    });
    if (wanted.length === 0) return;
    this.#busy = true;
    for (const [index, line] of wanted.entries()) {
      const isLast = index === wanted.length - 1;
      this.#send(`{"frame":"journal","entry":${line}}`, () => {
        if (!isLast) return;
        this.#busy = false;
        this.#pump();
      });
    }
  }
}
