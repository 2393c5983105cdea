/** Lines broken to the width of a terminal. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { styleFor, widthOf } from '../../../src/cli/print/style.ts';
import { wrap } from '../../../src/cli/print/wrap.ts';

const red = styleFor(true).red;

it.each([
  ['short', ['short']],
  ['one two three four', ['one two', 'three four']],
  ['  set in as this', ['  set in', '  as this']],
  ['  │ a quoted line', ['  │ a', '  │ quoted', '  │ line']],
  ['averyveryverylongword', ['averyveryv', 'erylongwor', 'd']],
  ['漢字漢字漢字', ['漢字漢字漢', '字']],
  ['a\n\nb', ['a', '', 'b']],
  ['a\tb', ['a    b']],
  [red('one two three'), ['\u001b[31mone two', '\u001b[31mthree\u001b[39m']],
])('%j', (text, lines) => {
  expect(wrap(text, 10)).toEqual(lines);
});

it('no line is wider, and no letter is lost', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '漢', '🙂', '│', 'é'), maxLength: 80 }),
      fc.integer({ min: 4, max: 30 }),
      (text, width) => {
        const lines = wrap(text, width);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
        const letters = (all: string): string => all.replace(/[ │]/g, '');
        expect(letters(lines.join(''))).toBe(letters(text));
      },
    ),
  );
});
