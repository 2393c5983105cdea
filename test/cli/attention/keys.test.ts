/** Bytes of a terminal as keys, however they are cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyReader, type Key } from '../../../src/cli/attention/keys.ts';

function names(keys: readonly Key[]): string[] {
  return keys.map((key) => ('text' in key ? `${key.name}:${key.text}` : key.name));
}

describe('keys', () => {
  const table: [bytes: string, keys: string[]][] = [
    ['a', ['char:a']],
    ['é漢🙂', ['char:é', 'char:漢', 'char:🙂']],
    ['\x1b[A\x1b[B\x1bOA', ['up', 'down', 'up']],
    ['\x1b[5~\x1b[6~\x1b[H\x1b[4~', ['pageup', 'pagedown', 'home', 'end']],
    ['\x1b[1;5A', ['up']],
    ['\r\x7f\t\x03\x1a', ['enter', 'backspace', 'tab', 'interrupt', 'suspend']],
    ['\x1b[200~a\rq\x1b[201~d', ['paste:a\rq', 'char:d']],
    // Alt-a is not a: nothing is allowed by it.
    ['\x1ba', []],
    ['\x1b[?64;1;2c', []],
    ['\x1b[I\x1b[99~\x07', []],
  ];
  it.each(table)('%j', (bytes, keys) => {
    expect(names(new KeyReader().read(bytes))).toEqual(keys);
  });

  it('are the same however the bytes are cut, and pasted text is never a command', () => {
    const piece = fc.constantFrom('a', '\x1b[A', '\x1b[6~', '\x1b[200~x\ra d q\x1b[201~', '漢', '\r', '\x1b[1;5B');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 8 }), (pieces, cuts) => {
        const text = pieces.join('');
        const reader = new KeyReader();
        const keys: Key[] = [];
        let from = 0;
        for (const cut of [...cuts, text.length].map((one) => Math.min(one, text.length)).sort((a, b) => a - b)) {
          keys.push(...reader.read(text.slice(from, cut)));
          from = cut;
        }
        expect(names(keys)).toEqual(names(new KeyReader().read(text)));
      }),
    );
  });

  it('an ESC that nothing follows is Escape', () => {
    const reader = new KeyReader();
    expect(reader.read('\x1b')).toEqual([]);
    expect(reader.waits).toBe(true);
    expect(names(reader.settle())).toEqual(['escape']);
    expect(reader.settle()).toEqual([]);
  });

  it('a paste without end is kept to its limit', () => {
    const reader = new KeyReader();
    for (let index = 0; index < 50; index += 1) reader.read(index === 0 ? '\x1b[200~' : 'x'.repeat(10_000));
    const [key] = reader.read('\x1b[201~');
    expect(key).toMatchObject({ name: 'paste', text: 'x'.repeat(20_000) });
  });
});
