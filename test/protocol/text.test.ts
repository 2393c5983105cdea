import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MESSAGE_BODY_MAX } from '../../src/protocol/limits.ts';
import { BodyText, lineText, normalizeNewlines, textFault } from '../../src/protocol/text.ts';

describe('texts', () => {
  it('what passes has no control character, no half of a pair, and at most the bytes that are allowed', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('\u001b', 'a', '\r', '\n', '\ud800', '💥', '\u0085') }),
        ),
        (text) => {
          const parsed = BodyText.safeParse(text);
          if (!parsed.success) return;
          expect(parsed.data).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
          expect(Buffer.from(parsed.data, 'utf8').toString('utf8')).toBe(parsed.data);
          expect(Buffer.byteLength(parsed.data)).toBeLessThanOrEqual(MESSAGE_BODY_MAX);
          expect(parsed.data.trim()).not.toBe('');
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('any text without control characters passes as it is', () => {
    fc.assert(
      fc.property(
        fc
          .string({ unit: 'grapheme', minLength: 1 })
          .filter((text) => text.trim() !== '' && textFault(text) === undefined),
        (text) => {
          expect(BodyText.parse(text)).toBe(normalizeNewlines(text));
        },
      ),
    );
  });

  it.each([
    ['ANSI colours', '\u001b[31mred\u001b[0m', 'U+001B'],
    ['a bell', 'ding\u0007', 'U+0007'],
    ['an eight-bit CSI', 'a\u009b31m', 'U+009B'],
    ['half of a pair', 'a\ud83d', 'surrogate'],
    ['nothing', ' \n\t ', 'empty'],
    ['too many bytes', '💥'.repeat(MESSAGE_BODY_MAX / 4 + 1), 'KiB'],
  ])('refuses %s and says why', (_name, text, words) => {
    const parsed = BodyText.safeParse(text);
    expect(parsed.success).toBe(false);
    expect(parsed.error?.issues.map((issue) => issue.message).join(' ')).toContain(words);
  });

  it('turns every kind of line end into one', () => {
    expect(BodyText.parse('a\r\nb\rc\n')).toBe('a\nb\nc\n');
  });

  it('a line has one line and does not turn the writing direction', () => {
    const line = lineText(20);
    expect(line.safeParse('a name').success).toBe(true);
    for (const text of ['two\nlines', 'evil\u202etxt.exe', 'x\u2066y', 'x'.repeat(21), 'tab\u001b']) {
      expect(line.safeParse(text).success).toBe(false);
    }
  });
});
