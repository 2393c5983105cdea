/**
 * How the next letter will be drawn, followed from the SGR sequences of a stream: a serialised screen shows what was drawn, not with what.
 */

type Params = readonly (number | number[])[];

interface PenState {
  /** Attribute → the parameter that turns it on. */
  readonly on: Map<string, string>;
}

/** What turns an attribute on; several may belong to one name, the last one holds. */
const ON: Readonly<Record<number, string>> = {
  1: 'bold',
  2: 'dim',
  3: 'italic',
  4: 'underline',
  5: 'blink',
  7: 'inverse',
  8: 'hidden',
  9: 'strike',
  21: 'underline',
  53: 'overline',
};
const OFF: Readonly<Record<number, readonly string[]>> = {
  22: ['bold', 'dim'],
  23: ['italic'],
  24: ['underline'],
  25: ['blink'],
  27: ['inverse'],
  28: ['hidden'],
  29: ['strike'],
  39: ['fg'],
  49: ['bg'],
  55: ['overline'],
  59: ['underlineColour'],
};
const EXTENDED: Readonly<Record<number, string>> = { 38: 'fg', 48: 'bg', 58: 'underlineColour' };

export class Pen {
  #state: PenState = { on: new Map() };
  #saved: PenState = { on: new Map() };

  /** An SGR sequence. */
  apply(params: Params): void {
    if (params.length === 0) this.#state.on.clear();
    for (let at = 0; at < params.length; at += 1) {
      const param = params[at];
      const code = typeof param === 'number' ? param : undefined;
      if (code === undefined) continue;
      // Parameters of a parameter (4:3) follow it as a list.
      const next = params[at + 1];
      const sub = Array.isArray(next) ? next : undefined;
      const used = sub === undefined ? this.#one(code, params, at) : this.#withSub(code, sub);
      at += used;
    }
  }

  save(): void {
    this.#saved = { on: new Map(this.#state.on) };
  }

  restore(): void {
    this.#state = { on: new Map(this.#saved.on) };
  }

  reset(): void {
    this.#state = { on: new Map() };
    this.#saved = { on: new Map() };
  }

  get text(): string {
    return textOf(this.#state);
  }

  get savedText(): string {
    return textOf(this.#saved);
  }

  /** How many further parameters belong to this one. */
  #one(code: number, params: Params, at: number): number {
    const { on } = this.#state;
    const extended = EXTENDED[code];
    if (extended !== undefined) {
      const count = params[at + 1] === 5 ? 2 : params[at + 1] === 2 ? 4 : 0;
      if (count > 0) on.set(extended, [code, ...params.slice(at + 1, at + 1 + count)].join(';'));
      return count;
    }
    this.#plain(code);
    return 0;
  }

  #withSub(code: number, sub: readonly number[]): number {
    const name = EXTENDED[code] ?? ON[code];
    const value = [code, ...sub.map((one) => (one === -1 ? '' : one))].join(':');
    if (code === 4 && sub[0] === 0) this.#state.on.delete('underline');
    else if (name !== undefined) this.#state.on.set(name, value);
    return 1;
  }

  #plain(code: number): void {
    const { on } = this.#state;
    const name = ON[code];
    if (code === 0) on.clear();
    else if (name !== undefined) on.set(name, String(code));
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) on.set('fg', String(code));
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) on.set('bg', String(code));
    else for (const off of OFF[code] ?? []) on.delete(off);
  }
}

function textOf(state: PenState): string {
  return `\x1b[${['0', ...state.on.values()].join(';')}m`;
}
