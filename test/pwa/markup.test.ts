/** Agents' texts: light Markdown that loses nothing, hidden characters that show, folds that cut nothing in two. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldedBeginning, markdownPieces, plainPieces } from '../../pwa/src/core/markup.ts';
import { parseRoute, hrefOf, type Route } from '../../pwa/src/core/routes.ts';

const joined = (pieces: readonly { readonly text: string }[]) => pieces.map((piece) => piece.text).join('');
/** Text without the characters that come out by their names. */
const ordinary = fc.string({ unit: 'grapheme-ascii' });

describe('light Markdown', () => {
  it.each([
    ['plain <b>text</b>', [{ kind: 'text', text: 'plain <b>text</b>' }]],
    [
      'a `code` b',
      [
        { kind: 'text', text: 'a ' },
        { kind: 'code', text: 'code' },
        { kind: 'text', text: ' b' },
      ],
    ],
    ['**bold**', [{ kind: 'bold', text: 'bold' }]],
    [
      'see\n```ts\nlet a = `x`;\n```\nend',
      [
        { kind: 'text', text: 'see' },
        { kind: 'block', text: 'let a = `x`;' },
        { kind: 'text', text: 'end' },
      ],
    ],
    ['```\nnever closed **x**', [{ kind: 'block', text: 'never closed **x**' }]],
    [
      '# [a](javascript:alert(1)) ![](http://x/y.png)',
      [{ kind: 'heading', text: '[a](javascript:alert(1)) ![](http://x/y.png)' }],
    ],
    [
      'one\n## Two `x`\n#three\n',
      [
        { kind: 'text', text: 'one\n' },
        { kind: 'heading', text: 'Two `x`' },
        { kind: 'text', text: '\n#three\n' },
      ],
    ],
  ])('%j', (text, pieces) => {
    expect(markdownPieces(text)).toEqual(pieces);
  });

  it('loses no letter of any text', () => {
    fc.assert(
      fc.property(ordinary, (text) => {
        const letters = (value: string) => value.replace(/[#`*\s]/g, '');
        // The word after an opening fence names a language and is not shown.
        fc.pre(!text.includes('```'));
        expect(letters(joined(markdownPieces(text)))).toBe(letters(text));
      }),
    );
  });

  it('keeps what is approved exactly as it is', () => {
    fc.assert(
      fc.property(ordinary, (text) => {
        expect(joined(plainPieces(text))).toBe(text);
      }),
    );
  });

  it('takes no more than a moment for hostile texts', () => {
    for (const text of ['```'.repeat(20_000), '**'.repeat(50_000), '`a'.repeat(50_000), '```\n'.repeat(20_000)]) {
      expect(markdownPieces(text).length).toBeGreaterThan(0);
    }
  });

  it('shows characters that turn or hide text', () => {
    expect(plainPieces('pay \u202e0001')).toEqual([
      { kind: 'text', text: 'pay ' },
      { kind: 'hidden', text: 'U+202E' },
      { kind: 'text', text: '0001' },
    ]);
    expect(plainPieces('👩‍💻')).toEqual([{ kind: 'text', text: '👩‍💻' }]);
  });
});

describe('the fold of a long text', () => {
  it('is a beginning of the text, never half a character, and worth it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('word ', '😀', '\n', 'x'.repeat(70)), { maxLength: 300 }), (parts) => {
        const text = parts.join('');
        const beginning = foldedBeginning(text);
        if (beginning === undefined) return;
        expect(text.startsWith(beginning)).toBe(true);
        expect(text.length - beginning.length).toBeGreaterThanOrEqual(250);
        expect(() => encodeURIComponent(beginning)).not.toThrow();
      }),
    );
  });
  it('leaves short texts whole', () => {
    expect(foldedBeginning('short')).toBeUndefined();
    expect(foldedBeginning('x'.repeat(5000))).toHaveLength(600);
  });
});

describe('the routes behind the #', () => {
  it.each<[string, Route]>([
    ['', { at: 'attention' }],
    ['#/approvals', { at: 'attention' }],
    ['#/approvals/apr_1', { at: 'attention', card: 'apr_1' }],
    ['#/sessions/studio/s%2F1', { at: 'attention', card: 'studio#s/1' }],
    ['#/sessions/studio', { at: 'attention' }],
    ['#/waits', { at: 'waits' }],
    ['#/settings', { at: 'settings' }],
    ['#/nonsense', { at: 'attention' }],
    ['#/threads', { at: 'threads' }],
    ['#/threads/thr_1', { at: 'thread', id: 'thr_1' }],
    ['#/machines', { at: 'machines' }],
    ['#/sign-in/abc-123', { at: 'sign-in', code: 'abc-123' }],
    ['#/sign-in/%', { at: 'attention' }],
  ])('%s', (hash, route) => {
    expect(parseRoute(hash)).toEqual(route);
  });
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (id) => {
        expect(parseRoute(hrefOf({ at: 'thread', id }))).toEqual({ at: 'thread', id });
        const card = id.includes('#') ? 'studio#s/1' : id;
        expect(parseRoute(hrefOf({ at: 'attention', card }))).toEqual({ at: 'attention', card });
      }),
    );
  });
});
