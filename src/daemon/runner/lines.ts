/**
 * Lines out of a stream of bytes, of any length: what is longer than the limit is given cut and marked, and memory never grows beyond it.
 *
 * Invariants: a character cut between two reads comes whole; the last line counts also without its newline; nothing is said twice.
 */

export interface Line {
  readonly text: string;
  /** The rest of it was left out. */
  readonly cut: boolean;
}

export class LineSplitter {
  readonly #max: number;
  readonly #give: (line: Line) => void;
  #parts: Buffer[] = [];
  #size = 0;
  #cut = false;

  constructor(max: number, give: (line: Line) => void) {
    this.#max = max;
    this.#give = give;
  }

  push(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
      this.#keep(bytes.subarray(start, end));
      this.#end();
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
  }

  /** The stream is over: what is left is the last line. */
  finish(): void {
    if (this.#size > 0) this.#end();
  }

  #keep(bytes: Buffer): void {
    const room = this.#max - this.#size;
    if (bytes.length > room) this.#cut = true;
    const kept = bytes.subarray(0, room);
    if (kept.length === 0) return;
    // A copy: the stream's own buffer may be a small part of a large one.
    this.#parts.push(Buffer.from(kept));
    this.#size += kept.length;
  }

  #end(): void {
    let bytes = Buffer.concat(this.#parts);
    if (bytes.at(-1) === 0x0d) bytes = bytes.subarray(0, -1);
    const line = { text: this.#cut ? withoutHalf(bytes) : bytes.toString('utf8'), cut: this.#cut };
    this.#parts = [];
    this.#size = 0;
    this.#cut = false;
    this.#give(line);
  }
}

/** Text without the half of a character that a cut left at its end. */
function withoutHalf(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/\uFFFD$/u, '');
}

/** The last `max` characters of an error output. */
export class TextTail {
  readonly #max: number;
  #bytes = Buffer.alloc(0);

  constructor(max: number) {
    this.#max = max;
  }

  push(bytes: Buffer): void {
    const joined = Buffer.concat([this.#bytes, bytes]);
    // Four bytes are the longest character.
    this.#bytes = joined.length > this.#max * 4 ? Buffer.from(joined.subarray(joined.length - this.#max * 4)) : joined;
  }

  get text(): string {
    return this.#bytes.toString('utf8').slice(-this.#max);
  }
}
