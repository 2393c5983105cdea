/**
 * Where a stream of terminal bytes can be cut: after a whole character or a whole control sequence. A screen that is fed only up to such a
 * place has no half-read sequence in its parser, so what it serialises and the bytes that follow make the same picture as the whole stream.
 *
 * Invariant: pure; the answer depends on the bytes seen so far alone, however they were split.
 */

const ESC = 0x1b;
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;

/**
 * ground: between sequences · utf8: inside a character · escape: after ESC · sequence: CSI, until its final byte · string: OSC, DCS, APC, PM,
 * SOS, until ST or BEL · string_escape: ESC inside a string
 */
type State = 'ground' | 'utf8' | 'escape' | 'sequence' | 'string' | 'string_escape';

export class BoundaryFinder {
  #state: State = 'ground';
  #continuation = 0;

  /** True after a whole character or sequence. */
  get whole(): boolean {
    return this.#state === 'ground';
  }

  /** Reads more bytes; the answer is how many of them lie before the last place where the stream can be cut (0: none). */
  feed(bytes: Uint8Array): number {
    let last = 0;
    for (let index = 0; index < bytes.length; index += 1) {
      this.#step(bytes[index] ?? 0);
      if (this.#state === 'ground') last = index + 1;
    }
    return last;
  }

  #step(byte: number): void {
    if (byte === CAN || byte === SUB) {
      this.#state = 'ground';
      return;
    }
    switch (this.#state) {
      case 'utf8':
        this.#inCharacter(byte);
        return;
      case 'ground':
        this.#inGround(byte);
        return;
      case 'escape':
        this.#afterEscape(byte);
        return;
      case 'sequence':
        if (byte === ESC) this.#state = 'escape';
        else if (byte >= 0x40 && byte <= 0x7e) this.#state = 'ground';
        return;
      case 'string':
        if (byte === ESC) this.#state = 'string_escape';
        else if (byte === BEL) this.#state = 'ground';
        return;
      case 'string_escape':
        // ESC ends a string; with `\` it is its proper end, with anything else the beginning of the next sequence.
        if (byte === 0x5c) this.#state = 'ground';
        else this.#afterEscape(byte);
        return;
    }
  }

  #inGround(byte: number): void {
    if (byte === ESC) this.#state = 'escape';
    else if (byte >= 0xc2 && byte <= 0xf4) {
      this.#continuation = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      this.#state = 'utf8';
    }
  }

  #inCharacter(byte: number): void {
    if ((byte & 0xc0) !== 0x80) {
      // A broken character ends where the next begins.
      this.#state = 'ground';
      this.#inGround(byte);
      return;
    }
    this.#continuation -= 1;
    if (this.#continuation === 0) this.#state = 'ground';
  }

  #afterEscape(byte: number): void {
    if (byte === ESC) this.#state = 'escape';
    else if (byte === 0x5b) this.#state = 'sequence';
    // ] P _ ^ X
    else if (byte === 0x5d || byte === 0x50 || byte === 0x5f || byte === 0x5e || byte === 0x58) this.#state = 'string';
    // Intermediate bytes: the sequence goes on (character sets: ESC ( B).
    else if (byte >= 0x20 && byte <= 0x2f) this.#state = 'escape';
    else if (byte < 0x20) this.#state = 'escape';
    else this.#state = 'ground';
  }
}
