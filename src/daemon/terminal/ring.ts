/**
 * The newest output of a terminal, by number: the number of a byte is how many came before it since the terminal began.
 *
 * Invariants: never holds more than its capacity; what it gives is exactly what was put in, or nothing at all (`undefined`: some of it is gone).
 */

export class OutputRing {
  readonly #bytes: Buffer;
  #end = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity);
  }

  /** The number of the next byte. */
  get end(): number {
    return this.#end;
  }

  /** The number of the oldest byte that is still here. */
  get start(): number {
    return Math.max(0, this.#end - this.#bytes.length);
  }

  push(bytes: Uint8Array): void {
    const capacity = this.#bytes.length;
    const kept = bytes.length > capacity ? bytes.subarray(bytes.length - capacity) : bytes;
    const from = (this.#end + bytes.length - kept.length) % capacity;
    const first = Math.min(kept.length, capacity - from);
    this.#bytes.set(kept.subarray(0, first), from);
    this.#bytes.set(kept.subarray(first), 0);
    this.#end += bytes.length;
  }

  /** A copy of the bytes from number `seq` on; undefined when some are gone, or when it lies ahead. */
  from(seq: number): Buffer | undefined {
    if (seq < this.start || seq > this.#end) return undefined;
    const capacity = this.#bytes.length;
    const length = this.#end - seq;
    const at = seq % capacity;
    const first = Math.min(length, capacity - at);
    return Buffer.concat([this.#bytes.subarray(at, at + first), this.#bytes.subarray(0, length - first)]);
  }
}
