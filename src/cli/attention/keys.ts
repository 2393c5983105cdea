/**
 * The bytes of a terminal as keys. Bracketed paste is on, so that what is pasted is one text and never a row of commands.
 *
 * Invariants: a sequence that is not known does nothing; one that is cut between two reads is put together; a paste is kept to its limit.
 */
export type Key =
  | { readonly name: 'char'; readonly text: string }
  | { readonly name: 'paste'; readonly text: string }
  | { readonly name: NamedKey };
export type NamedKey =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'pageup'
  | 'pagedown'
  | 'enter'
  | 'escape'
  | 'tab'
  | 'backspace'
  | 'clear'
  | 'interrupt'
  | 'suspend'
  | 'redraw';

const PASTE_MAX = 20_000;
const PASTE_BEGIN = '\x1b[200~';
const PASTE_END = '\x1b[201~';

const SEQUENCES: Readonly<Record<string, NamedKey>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '4~': 'end',
  '5~': 'pageup',
  '6~': 'pagedown',
  '7~': 'home',
  '8~': 'end',
};
const CONTROLS: Readonly<Record<string, NamedKey>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x15': 'clear',
  '\x03': 'interrupt',
  '\x04': 'interrupt',
  '\x1a': 'suspend',
  '\x0c': 'redraw',
};

export class KeyReader {
  #rest = '';

  /** The keys of what was read; what may be the beginning of a sequence waits for more. */
  read(text: string): Key[] {
    this.#rest += text;
    const keys: Key[] = [];
    for (;;) {
      const key = this.#next();
      if (key === undefined) return keys;
      if (key !== 'unknown') keys.push(key);
    }
  }

  /** An ESC that nothing followed is the Escape key. */
  get waits(): boolean {
    return this.#rest === '\x1b';
  }

  /** Nothing followed. */
  settle(): Key[] {
    if (!this.waits) return [];
    this.#rest = '';
    return [{ name: 'escape' }];
  }

  #next(): Key | 'unknown' | undefined {
    const rest = this.#rest;
    if (rest === '') return undefined;
    if (rest.startsWith(PASTE_BEGIN)) return this.#paste();
    if (rest.startsWith('\x1b')) return this.#sequence();
    const [first = ''] = rest;
    this.#rest = rest.slice(first.length);
    const control = CONTROLS[first];
    if (control !== undefined) return { name: control };
    return /\p{Cc}/u.test(first) ? 'unknown' : { name: 'char', text: first };
  }

  #paste(): Key | undefined {
    const end = this.#rest.indexOf(PASTE_END);
    if (end === -1) {
      // What is over the limit is let go, the end of the paste is still looked for.
      const kept = PASTE_BEGIN.length + PASTE_MAX;
      if (this.#rest.length > kept + PASTE_END.length)
        this.#rest = this.#rest.slice(0, kept) + this.#rest.slice(-PASTE_END.length + 1);
      return undefined;
    }
    const text = this.#rest.slice(PASTE_BEGIN.length, end).slice(0, PASTE_MAX);
    this.#rest = this.#rest.slice(end + PASTE_END.length);
    return { name: 'paste', text };
  }

  #sequence(): Key | 'unknown' | undefined {
    const rest = this.#rest;
    if (rest === '\x1b' || /^\x1b(?:\[[0-?]*[ -/]*|O)$/.test(rest)) return undefined;
    const found = /^\x1b(?:\[([0-?]*[ -/]*[@-~])|O([@-~]))/.exec(rest);
    if (found === null) return this.#alone(rest);
    this.#rest = rest.slice(found[0].length);
    // Modifiers (`1;5A`) are let go.
    const code = (found[1] ?? found[2] ?? '').replace(/^1;\d+(?=[A-Z])/, '');
    const named = SEQUENCES[code];
    return named === undefined ? 'unknown' : { name: named };
  }

  /** ESC twice is Escape; ESC with a letter is Alt with it, which means nothing here and must not be taken for the letter. */
  #alone(rest: string): Key | 'unknown' {
    const [letter = ''] = rest.slice(1);
    if (letter === '\x1b') {
      this.#rest = rest.slice(1);
      return { name: 'escape' };
    }
    this.#rest = rest.slice(1 + letter.length);
    return 'unknown';
  }
}
