import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTo, assertJsonObject, removeAt, valueAt } from '../../../../src/daemon/agents/claude/json-edit.ts';
import { IntercomError } from '../../../../src/protocol/errors.ts';

const value = fc.jsonValue({ maxDepth: 3 });
const object = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 8 }).filter((key) => key !== '__proto__' && key !== 'ours'),
  value,
  { maxKeys: 5 },
);
const indent = fc.constantFrom('  ', '    ', '\t', '');

describe('json-edit', () => {
  it('adds what is meant and nothing else; taking it out gives the very bytes back', () => {
    fc.assert(
      fc.property(object, indent, value, (before, unit, added) => {
        const text = JSON.stringify(before, undefined, unit);
        const with_ = addTo(text, [], 'ours', added);
        expect(with_).toContain('"ours"');
        expect(valueAt(with_, ['ours'])).toEqual(JSON.parse(JSON.stringify(added)));
        expect(removeAt(with_, ['ours'])).toBe(text);
      }),
    );
  });

  it('keeps forms that a rewrite would lose: order of number keys, 1.0, escapes, CRLF, tabs, no newline at the end', () => {
    const text = '{\r\n\t"b": 1.0,\r\n\t"2": "\\u00e9",\r\n\t"1": [ 1,2 ]\r\n}';
    const edited = addTo(text, [], 'hooks', { a: [] });
    expect(edited).toBe(
      '{\r\n\t"b": 1.0,\r\n\t"2": "\\u00e9",\r\n\t"1": [ 1,2 ],\r\n\t"hooks": {\r\n\t\t"a": []\r\n\t}\r\n}',
    );
    expect(removeAt(edited, ['hooks'])).toBe(text);
  });

  it('appends to lists and takes single items out of them', () => {
    const text = '{\n  "list": [\n    1\n  ]\n}\n';
    const longer = addTo(text, ['list'], undefined, { x: 2 });
    expect(longer).toBe('{\n  "list": [\n    1,\n    {\n      "x": 2\n    }\n  ]\n}\n');
    expect(removeAt(longer, ['list', 1])).toBe(text);
    expect(valueAt(removeAt(longer, ['list', 0]), ['list'])).toEqual([{ x: 2 }]);
  });

  it.each([
    ['{\n  "a": 1,\n}', 3],
    ['{\n  // comment\n}', 2],
    ['{"a": 1', 1],
    ['', 1],
    ["{'a': 1}", 1],
    ['{"a": 01}', 1],
    ['{} x', 1],
  ])('refuses %j and names line %i', (text, line) => {
    let thrown: unknown;
    try {
      assertJsonObject(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(IntercomError);
    expect(thrown).toMatchObject({ code: 'invalid_config', details: { line } });
  });

  it('reads exactly what JSON.parse reads', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          object.map((one) => JSON.stringify(one)),
          fc.string(),
          fc.json(),
        ),
        (text) => {
          let parses = true;
          try {
            JSON.parse(text);
          } catch {
            parses = false;
          }
          let reads = true;
          try {
            valueAt(text, []);
          } catch {
            reads = false;
          }
          expect(reads).toBe(parses);
        },
      ),
    );
  });
});
