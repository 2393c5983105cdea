import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clip,
  oneLine,
  parseMarkdown,
  runsToHtml,
  showHidden,
  visibleText,
  type Run,
} from '../../../src/hub/telegram/html.ts';
import { splitRuns } from '../../../src/hub/telegram/split.ts';
import { topicName } from '../../../src/hub/telegram/words.ts';
import { parseHtml } from '../../support/telegram-emulator/entities.ts';

/** Texts as agents write them, and as an attacker would. */
const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '```',
    '```ts\n',
    '\n```\n',
    '`',
    '**',
    '<b>',
    '</code>',
    '&lt;',
    '&',
    '\n',
    '\n\n',
    '👩‍💻',
    '𝕏',
    ' ',
    '</pre>',
  ),
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
const runs: fc.Arbitrary<Run[]> = fc.array(
  fc.record({
    style: fc.constantFrom('plain', 'bold', 'code', 'pre'),
    text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
  }),
  { maxLength: 30 },
);

describe('HTML of a text', () => {
  it('is read back by a reader of Telegram HTML as exactly the text of its runs', () => {
    fc.assert(
      fc.property(text, (body) => {
        const parsed = parseMarkdown(body);
        expect(parseHtml(runsToHtml(parsed)).text).toBe(visibleText(parsed));
      }),
      { numRuns: 500 },
    );
  });

  it('loses nothing of a text without Markdown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (body) => {
        fc.pre(!/[`*]/.test(body));
        expect(visibleText(parseMarkdown(body))).toBe(body);
      }),
    );
  });

  it.each([
    ['a **b** c', 'a <b>b</b> c'],
    ['run `a < b && c`', 'run <code>a &lt; b &amp;&amp; c</code>'],
    ['before\n```ts\nlet a = 1;\n```\nafter', 'before\n<pre><code class="language-ts">let a = 1;</code></pre>\nafter'],
    ['```\nx\n```', '<pre>x</pre>'],
    ['an open ``` stays, as does ` and **', 'an open ``` stays, as does ` and **'],
    ['```js" onload="x\ny\n```', '```js" onload="x\ny\n```'],
    // seed: snake_case_x rendered as italics
    ['snake_case_x and *stars*', 'snake_case_x and *stars*'],
    ['</b><script>', '&lt;/b&gt;&lt;script&gt;'],
  ])('of %j', (body, html) => {
    expect(runsToHtml(parseMarkdown(body))).toBe(html);
  });

  it('takes time in proportion to the text, whatever the text', () => {
    const hostile = ['```a\n', '`', '**', '```\n\n', '**a', '`a\n'].map((part) => part.repeat(20_000));
    for (const body of hostile) expect(visibleText(parseMarkdown(body)).length).toBeGreaterThan(0);
  });

  it('shows hidden characters', () => {
    expect(showHidden('a\u202eb\u200bc\u{e0041}')).toBe('a‹U+202E›b‹U+200B›c‹U+E0041›');
    expect(showHidden('👩‍💻 ok')).toBe('👩‍💻 ok');
  });
});

describe('splitting', () => {
  it('gives parts within the limit that join to the whole, with balanced tags and whole characters', () => {
    fc.assert(
      fc.property(runs, fc.integer({ min: 2, max: 400 }), (input, limit) => {
        const parts = splitRuns(input, limit);
        expect(parts.map((part) => visibleText(part)).join('')).toBe(visibleText(input));
        for (const part of parts) {
          const parsed = parseHtml(runsToHtml(part));
          expect(parsed.text).toBe(visibleText(part));
          expect(parsed.text.length).toBeLessThanOrEqual(limit);
          expect(parsed.text).not.toMatch(/[\ud800-\udfff]/u);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('opens a code block again in the next part, with its language', () => {
    const code = Array.from({ length: 40 }, (_, line) => `line ${line}`).join('\n');
    const parts = splitRuns(parseMarkdown(`\`\`\`ts\n${code}\n\`\`\``), 200);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts)
      expect(runsToHtml(part)).toMatch(/^<pre><code class="language-ts">[\s\S]*<\/code><\/pre>$/);
  });

  it('begins a new part rather than cut a code block that fits into one', () => {
    const parts = splitRuns(parseMarkdown(`${'word '.repeat(30)}\n\`\`\`\n${'x'.repeat(100)}\n\`\`\``), 200);
    expect(parts.map((part) => part.map((run) => run.style))).toEqual([['plain'], ['pre']]);
  });

  it('cuts between paragraphs, else lines, else words', () => {
    const cut = (body: string) => splitRuns([{ style: 'plain', text: body }], 20).map((part) => visibleText(part));
    expect(cut('one two three\n\nfour five six')).toEqual(['one two three\n\n', 'four five six']);
    expect(cut('one two three\nfour five six')).toEqual(['one two three\n', 'four five six']);
    expect(cut('one two three four five six')).toEqual(['one two three four ', 'five six']);
  });
});

describe('one line', () => {
  it('never cuts a surrogate pair and keeps its limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 50 }), (body, max) => {
        expect(clip(body, max).length).toBeLessThanOrEqual(max);
        expect(oneLine(body, max)).not.toMatch(/[\n]|[\ud800-\udfff]/u);
      }),
    );
  });

  it('names a topic within 128 units', () => {
    const name = topicName(`laptop/${'p'.repeat(190)}`, 'server/web#12345678', `Look at \`x\`\n${'y'.repeat(300)}`);
    expect(name.length).toBeLessThanOrEqual(128);
    expect(name).toMatch(/^….+ ⇄ server\/web: Look at x yyy.*…$/);
  });
});
