/** Keys and what they do in the live table, as tables; and that no key ever meets another card than the person saw. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Board } from '../../../src/cli/attention/board.ts';
import { consoleOf, press, settle, type Act, type Console, type Seen } from '../../../src/cli/attention/console.ts';
import { frameOf } from '../../../src/cli/attention/frame.ts';
import { KeyReader } from '../../../src/cli/attention/keys.ts';
import type { Row } from '../../../src/cli/attention/rows.ts';
import { styleFor, widthOf } from '../../../src/cli/print/style.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import { NOW } from '../support/cli.ts';
import { questionCard, session, snapshot, toolCard } from '../support/attention.ts';

const FROM = 'laptop/app#aaaaaaaa-0000-4000-8000-000000000000';
const TWO_QUESTIONS = [
  { id: 'q1', text: 'Which database?', options: [{ label: 'PostgreSQL' }, { label: 'SQLite' }] },
  {
    id: 'q2',
    text: 'What comes along?',
    options: [{ label: 'Backups' }, { label: 'Metrics' }],
    multiple: true,
    freeText: false,
    optional: true,
  },
];

function rowsOf(...approvals: Approval[]): readonly Row[] {
  return new Board(snapshot([session('aaaaaaaa')], approvals)).rows();
}

/** Types at a table of so many rows and columns; the acts, in order, and how it stands. */
function typed(rows: readonly Row[], text: string, height = 40, cols = 100): { acts: Act[]; console: Console } {
  let console = consoleOf(rows, true);
  const acts: Act[] = [];
  const reader = new KeyReader();
  // Each key by itself, as a person types; an Escape stands alone.
  for (const part of text.split(/(?<=\x1b)(?![[O])/)) {
    for (const key of [...reader.read(part), ...reader.settle()]) {
      const pressed = press(console, key, seenOf(console, rows, height, cols));
      console = pressed.console;
      if (pressed.act !== undefined) acts.push(pressed.act);
    }
  }
  return { acts, console };
}

function frame(console: Console, rows: readonly Row[], height: number, cols: number) {
  const style = styleFor(false);
  return frameOf({ console, rows, everything: rows, problem: undefined, more: 0, cols, height, now: NOW, style });
}

function seenOf(console: Console, rows: readonly Row[], height: number, cols: number): Seen {
  return frame(console, rows, height, cols).seen;
}

const DOWN = '\x1b[B';
const ESC = '\x1b';

describe('keys decide', () => {
  const one = rowsOf(toolCard(1, FROM));
  const bare = rowsOf(toolCard(1, FROM, { suggestions: [] }));
  const two = rowsOf(toolCard(1, FROM), toolCard(2, FROM));
  const question = rowsOf(questionCard(1, FROM));
  const questions = rowsOf(questionCard(1, FROM, TWO_QUESTIONS));
  const allow = { verdict: 'allow', scope: 'once' };
  const table: [name: string, rows: readonly Row[], text: string, wish: object | undefined][] = [
    ['a allows this once', one, 'a', allow],
    ['d asks for the reason', one, 'd', undefined],
    ['d and Enter denies', one, 'd\r', { verdict: 'deny', scope: 'once' }],
    ['d, a reason, Enter', one, 'dtests firsd\x7ft\r', { verdict: 'deny', scope: 'once', reason: 'tests first' }],
    ['d and Escape does nothing', one, `dno${ESC}`, undefined],
    [
      'a pasted reason is one line',
      one,
      'd\x1b[200~a\nq\x1b[201~\r',
      { verdict: 'deny', scope: 'once', reason: 'a q' },
    ],
    ['a pasted "a" is no key', one, '\x1b[200~a\x1b[201~', undefined],
    ["A takes the agent's own always", one, 'A2', { ...allow, suggestion: 1 }],
    ['where it has none, A offers how far ours may reach', bare, 'A1', { verdict: 'allow', scope: 'always' }],
    ['A and Escape does nothing', one, `A${ESC}`, undefined],
    ['a number that is not offered does nothing', one, 'A9', undefined],
    ['arrows choose the row', two, `${DOWN}a`, allow],
    ['Enter opens, a allows there', one, '\ra', allow],
    ['a number is no answer to a permission', one, '1', undefined],
    ['a row without a card is not answered here', one, `${DOWN}a`, undefined],
    ['a number answers a question', question, '2', { ...allow, answers: [{ id: 'q1', options: ['何もしない'] }] }],
    ['a does not answer a question', question, 'a', undefined],
    ['t writes an answer', question, 'tMariaDB\r', { ...allow, answers: [{ id: 'q1', options: [], text: 'MariaDB' }] }],
    ['an empty answer is none', question, 't\r', undefined],
    ['d declines', question, 'd\r', { verdict: 'deny', scope: 'once' }],
    [
      'arrows and Enter choose',
      question,
      `\r\r${DOWN}\r`,
      { ...allow, answers: [{ id: 'q1', options: ['何もしない'] }] },
    ],
    [
      'several questions are answered one by one, several options in one',
      questions,
      '221\r\r',
      {
        ...allow,
        answers: [
          { id: 'q1', options: ['SQLite'] },
          { id: 'q2', options: ['Backups', 'Metrics'] },
        ],
      },
    ],
    [
      'what may be left out is left out',
      questions,
      '1\r\r',
      { ...allow, answers: [{ id: 'q1', options: ['PostgreSQL'] }] },
    ],
    ['nothing is sent before the last look', questions, '1\r', undefined],
    [
      'going back changes an answer',
      questions,
      '1\x1b[D2\r\r',
      { ...allow, answers: [{ id: 'q1', options: ['SQLite'] }] },
    ],
    ['what must be answered cannot be passed by', questions, '\t\r\r', undefined],
    ['own words where only options are taken are refused', questions, '1t', undefined],
  ];
  it.each(table)('%s', (_name, rows, text, wish) => {
    const { acts } = typed(rows, text);
    expect(acts).toMatchObject(wish === undefined ? [] : [{ do: 'decide', wish }]);
  });

  it('q leaves, Ctrl-C leaves from everywhere', () => {
    expect(typed(one, 'q').acts).toEqual([{ do: 'quit' }]);
    expect(typed(one, 'dq\x03').acts).toEqual([{ do: 'quit' }]);
    expect(typed(one, '\x1a').acts).toEqual([{ do: 'suspend' }]);
  });

  it('what is longer than the table shows is opened first, and allowed from there', () => {
    const input = Array.from({ length: 80 }, (_, index) => `+ line ${index}`).join('\n');
    const long = rowsOf(toolCard(1, FROM, { input }));
    const first = typed(long, 'a', 24);
    expect(first.acts).toEqual([]);
    expect(first.console.mode.name).toBe('card');
    expect(first.console.note).toContain('all of it');
    expect(typed(long, 'aa', 24).acts).toHaveLength(1);
    // On a screen without room for the card it is opened too.
    expect(typed(one, 'a', 8).acts).toEqual([]);
  });
});

describe('the selection', () => {
  it('goes with its card, so that a key never meets the next one', () => {
    const [first, second] = [toolCard(1, FROM), toolCard(2, FROM)];
    const before = consoleOf(rowsOf(first, second), false);
    const rows = rowsOf(second);
    const after = settle(before, rows);
    expect(after.selected).toBeUndefined();
    const pressed = press(after, { name: 'char', text: 'a' }, seenOf(after, rows, 40, 100));
    expect(pressed.act).toBeUndefined();
    expect(pressed.console.note).toContain('Choose a row');
  });

  it('stays on its row when others come before it', () => {
    const mine = toolCard(5, FROM);
    const before = consoleOf(rowsOf(mine), false);
    const after = settle(before, rowsOf(toolCard(1, FROM), mine));
    expect(after.selected).toBe(mine.id);
  });
});

const anyRows = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }).map((numbers) =>
  rowsOf(
    ...[...new Set(numbers)].map((number) =>
      number % 3 === 0
        ? questionCard(number, FROM, TWO_QUESTIONS)
        : toolCard(number, FROM, {
            input: 'a long line\x1b[31m\n'.repeat(number * number),
            intent: '漢字'.repeat(number),
          }),
    ),
  ),
);
const anyKeys = fc.array(
  fc.constantFrom(
    'a',
    'd',
    'A',
    't',
    '1',
    '2',
    'i',
    'x',
    ' ',
    '\r',
    ESC,
    DOWN,
    '\x1b[A',
    '\x1b[6~',
    '\x1b[D',
    '\x7f',
    '\t',
  ),
  { maxLength: 25 },
);

describe('whatever is pressed', () => {
  it('a decision is about the selected card, with its own hash, and only about what is there', () => {
    fc.assert(
      fc.property(anyRows, anyRows, anyKeys, fc.integer({ min: 4, max: 40 }), (first, then, keys, height) => {
        let console = consoleOf(first, true);
        for (const [index, text] of keys.entries()) {
          const rows = index < keys.length / 2 ? first : then;
          console = settle(console, rows);
          const reader = new KeyReader();
          for (const key of [...reader.read(text), ...reader.settle()]) {
            const selected = console.selected;
            const { console: next, act } = press(console, key, seenOf(console, rows, height, 80));
            if (act?.do === 'decide')
              expect([selected, rows.some((row) => row.key === selected)]).toEqual([act.approval.id, true]);
            console = settle(next, rows);
          }
        }
      }),
    );
  });

  it('the screen has its size, and nothing of a text moves the cursor', () => {
    const size = fc.tuple(fc.integer({ min: 20, max: 160 }), fc.integer({ min: 4, max: 50 }));
    fc.assert(
      fc.property(anyRows, anyKeys, size, (rows, keys, [cols, height]) => {
        const { console } = typed(rows, keys.join(''), height, cols);
        const { lines } = frame(console, rows, height, cols);
        expect(lines).toHaveLength(height);
        for (const line of lines) {
          expect(widthOf(line)).toBeLessThanOrEqual(cols);
          expect(line).not.toMatch(/\p{Cc}/u);
        }
      }),
    );
  });
});
