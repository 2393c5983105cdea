/** Forms of MCP servers as questions, and the answers as values. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formContent, formQuestions } from '../../../src/daemon/agents/form.ts';
import type { QuestionAnswer } from '../../../src/protocol/attention.ts';

const form = (properties: object, required: readonly string[] = []): object => ({
  type: 'object',
  properties,
  required,
});

describe('a form as questions', () => {
  it.each([
    [
      'a text',
      { type: 'string', title: 'Name', description: 'of the shop' },
      { text: 'Name\nof the shop', options: [], freeText: true },
    ],
    ['an address', { type: 'string', format: 'email', maxLength: 80 }, { text: 'x\n(email, characters: up to 80)' }],
    ['a number', { type: 'number', minimum: 0.5 }, { text: 'x\n(a number from 0.5)' }],
    [
      'yes or no',
      { type: 'boolean', default: true },
      { text: 'x\nSuggested: true', options: [{ label: 'Yes' }, { label: 'No' }], freeText: false },
    ],
    [
      'one of some',
      { type: 'string', enum: ['a', 'b'], enumNames: ['Äpfel', 'Birnen'] },
      { options: [{ label: 'Äpfel' }, { label: 'Birnen' }], multiple: false },
    ],
    [
      'one of some with titles',
      { type: 'string', oneOf: [{ const: 'a', title: '苹果' }] },
      { options: [{ label: '苹果' }], freeText: false },
    ],
    [
      'two of one name',
      { type: 'string', enum: ['a', 'b'], enumNames: ['X', 'X'] },
      { options: [{ label: 'a' }, { label: 'b' }] },
    ],
    [
      'several of some',
      { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 1 },
      { multiple: true, text: 'x\n(how many: up to 1)' },
    ],
  ])('%s', (_name, field, question) => {
    expect(formQuestions(form({ x: field }))).toMatchObject([{ id: 'x', optional: true, ...question }]);
    expect(formQuestions(form({ x: field }, ['x']))).toMatchObject([{ optional: false }]);
  });

  it.each([
    ['no form', 'text'],
    ['no field', form({})],
    ['a form in a form', form({ x: { type: 'object', properties: {} } })],
    ['a list of any texts', form({ x: { type: 'array', items: { type: 'string' } } })],
    [
      'more fields than a card has',
      form(Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`f${at}`, { type: 'string' }]))),
    ],
  ])('%s is none', (_name, schema) => {
    expect(formQuestions(schema)).toBeUndefined();
  });
});

describe('answers as values', () => {
  const of = (field: object, answer: Partial<QuestionAnswer>): unknown =>
    formContent(form({ x: field }), [{ id: 'x', options: [], ...answer }]).x;

  it.each([
    [{ type: 'string' }, { text: '3' }, '3'],
    [{ type: 'integer' }, { text: ' 3 ' }, 3],
    [{ type: 'number' }, { text: '-0.5' }, -0.5],
    [{ type: 'boolean' }, { options: ['Yes'] }, true],
    [{ type: 'boolean' }, { options: ['No'] }, false],
    [{ type: 'string', enum: ['a', 'b'], enumNames: ['A', 'B'] }, { options: ['B'] }, 'b'],
    [
      {
        type: 'array',
        items: {
          anyOf: [
            { const: 'a', title: 'A' },
            { const: 'b', title: 'B' },
          ],
        },
      },
      { options: ['A', 'B'] },
      ['a', 'b'],
    ],
  ])('%j answered %j', (field, answer, value) => {
    expect(of(field, answer)).toEqual(value);
  });

  it.each([
    [{ type: 'integer' }, { text: '3.5' }],
    [{ type: 'number' }, { text: '' }],
    [{ type: 'number' }, { text: 'Infinity' }],
    [{ type: 'integer', maximum: 9 }, { text: '10' }],
    [{ type: 'string', minLength: 2 }, { text: '字' }],
    [{ type: 'array', items: { enum: ['a'] }, minItems: 2 }, { options: ['a'] }],
  ])('%j does not take %j', (field, answer) => {
    expect(() => of(field, answer)).toThrow(/The form takes no such "x"/);
  });

  it('what was left out is left out', () => {
    expect(
      formContent(form({ x: { type: 'string' }, y: { type: 'string' } }), [{ id: 'y', options: [], text: 'z' }]),
    ).toEqual({ y: 'z' });
  });

  it('a number within its bounds comes back as that number', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer(), (a, b, value) => {
        const [minimum, maximum] = a < b ? [a, b] : [b, a];
        const field = { type: 'integer', minimum, maximum };
        if (value >= minimum && value <= maximum) expect(of(field, { text: String(value) })).toBe(value);
        else expect(() => of(field, { text: String(value) })).toThrow();
      }),
    );
  });
});
