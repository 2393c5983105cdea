/**
 * Everything that a terminal printed, as it came, in a private file with a cap.
 *
 * Invariants: never larger than its cap (and one line); where it was cut it says so; a disk that is full ends the log, never the terminal.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export class RawLog {
  readonly #max: number;
  #file: number | undefined;
  #written = 0;
  #seen = 0;

  /** `max` 0: no log. */
  constructor(path: string, max: number) {
    this.#max = max;
    this.#file = max === 0 ? undefined : openSync(path, 'w', 0o600);
  }

  /** Bytes that were printed but are not in the file. */
  get missing(): number {
    return this.#seen - this.#written;
  }

  write(bytes: Uint8Array): void {
    const at = this.#seen;
    this.#seen += bytes.length;
    if (this.#file === undefined) return;
    const kept = bytes.subarray(0, this.#max - this.#written);
    this.#put(kept);
    this.#written += kept.length;
    if (kept.length === bytes.length) return;
    this.#put(
      Buffer.from(
        `\r\n[intercom: the log ends here, at byte ${at + kept.length}; its limit is ${this.#max} bytes]\r\n`,
      ),
    );
    this.close();
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #put(bytes: Uint8Array): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, bytes);
    } catch {
      this.close();
    }
  }
}
