/**
 * The forms of MCP servers (elicitation): a JSON Schema of plain fields as questions, and the answers as the values that it asks for. Pure.
 *
 * Invariants: a form is carried whole or not at all; a value has the type of its field and is within its bounds, or is refused in words; what was left out is left out.
 */
import { z } from 'zod';
import { Question } from '../../protocol/attention.ts';
import type { QuestionAnswer } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';

const text = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);
const Titled = z.array(z.looseObject({ const: z.string(), title: z.string() }));
const Items = z.looseObject({
  enum: z.array(z.string()).optional(),
  anyOf: Titled.optional(),
  oneOf: Titled.optional(),
});
const Field = z.looseObject({
  type: z.enum(['string', 'number', 'integer', 'boolean', 'array']),
  title: text,
  description: text,
  default: z.unknown().optional(),
  format: text,
  enum: z.array(z.string()).optional(),
  enumNames: z.array(z.string()).optional().catch(undefined),
  oneOf: Titled.optional(),
  items: Items.optional(),
  minimum: number,
  maximum: number,
  minLength: number,
  maxLength: number,
  minItems: number,
  maxItems: number,
});
type Field = z.infer<typeof Field>;
const Form = z.looseObject({
  type: z.literal('object'),
  properties: z.record(z.string(), Field),
  required: z.array(z.string()).catch([]),
});
const Questions = z.array(Question).min(1).max(20);

interface Choice {
  readonly label: string;
  readonly value: string;
}

const YES = 'Yes';
const NO = 'No';

/** Undefined: a form that cannot be asked here. */
export function formQuestions(schema: unknown): readonly Question[] | undefined {
  const form = Form.safeParse(schema).data;
  if (form === undefined) return undefined;
  const fields = Object.entries(form.properties);
  if (fields.some(([, field]) => field.type === 'array' && choicesOf(field) === undefined)) return undefined;
  return Questions.safeParse(
    fields.map(([id, field]) => {
      const labels = field.type === 'boolean' ? [YES, NO] : (choicesOf(field) ?? []).map(({ label }) => label);
      return {
        id,
        text: wordsOf(id, field),
        options: labels.map((label) => ({ label })),
        multiple: field.type === 'array',
        freeText: labels.length === 0,
        optional: !form.required.includes(id),
      };
    }),
  ).data;
}

/** The values of the form. Throws where an answer is none of its field. */
export function formContent(schema: unknown, answers: readonly QuestionAnswer[]): Record<string, unknown> {
  const { properties } = Form.parse(schema);
  const values = answers.flatMap((answer): [string, unknown][] => {
    const field = properties[answer.id];
    return field === undefined ? [] : [[answer.id, valueOf(field, answer)]];
  });
  return Object.fromEntries(values);
}

function choicesOf(field: Field): readonly Choice[] | undefined {
  const titled = field.oneOf ?? field.items?.anyOf ?? field.items?.oneOf;
  if (titled !== undefined) return distinct(titled.map((one) => ({ label: one.title, value: one.const })));
  const values = field.enum ?? field.items?.enum;
  return values === undefined
    ? undefined
    : distinct(values.map((value, at) => ({ label: field.enumNames?.[at] ?? value, value })));
}

/** Two of one name are told by their values. */
function distinct(choices: readonly Choice[]): readonly Choice[] {
  const names = new Set(choices.map(({ label }) => label));
  return names.size === choices.length && !names.has('')
    ? choices
    : choices.map(({ value }) => ({ label: value, value }));
}

function wordsOf(id: string, field: Field): string {
  const { title, description } = field;
  const name = title === undefined || title === '' ? id : title;
  const given = field.default;
  const suggested = typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean';
  return [name, description ?? '', boundsOf(field), suggested && given !== '' ? `Suggested: ${given}` : '']
    .filter((part) => part !== '')
    .join('\n');
}

function boundsOf(field: Field): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems } = field;
  switch (field.type) {
    case 'number':
    case 'integer':
      return `(a ${field.type === 'integer' ? 'whole ' : ''}number${range(minimum, maximum)})`;
    case 'string': {
      if (choicesOf(field) !== undefined) return '';
      const length = range(minLength, maxLength);
      const parts = [
        ...(field.format === undefined ? [] : [field.format]),
        ...(length === '' ? [] : [`characters:${length}`]),
      ];
      return parts.length === 0 ? '' : `(${parts.join(', ')})`;
    }
    case 'array': {
      const many = range(minItems, maxItems);
      return many === '' ? '' : `(how many:${many})`;
    }
    case 'boolean':
      return '';
  }
}

function range(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return ` from ${least}`;
  return most === undefined ? '' : ` up to ${most}`;
}

function valueOf(field: Field, answer: QuestionAnswer): unknown {
  const written = answer.text ?? '';
  const choices = choicesOf(field) ?? [];
  const taken = answer.options.map((label) => choices.find((choice) => choice.label === label)?.value ?? label);
  switch (field.type) {
    case 'boolean':
      return answer.options[0] === YES;
    case 'array':
      within(answer, taken.length, field.minItems, field.maxItems);
      return taken;
    case 'number':
    case 'integer': {
      const value = written.trim() === '' ? Number.NaN : Number(written);
      const fits = field.type === 'integer' ? Number.isInteger(value) : Number.isFinite(value);
      if (!fits) throw unfit(answer, written);
      within(answer, value, field.minimum, field.maximum);
      return value;
    }
    case 'string': {
      const value = taken[0] ?? written;
      within(answer, Array.from(value).length, field.minLength, field.maxLength);
      return value;
    }
  }
}

function within(answer: QuestionAnswer, size: number, least: number | undefined, most: number | undefined): void {
  if (size < (least ?? size) || size > (most ?? size)) throw unfit(answer, answer.text ?? answer.options.join(', '));
}

function unfit({ id }: QuestionAnswer, given: string): IntercomError {
  const shown = Array.from(given).slice(0, 60).join('');
  return new IntercomError('invalid_request', `The form takes no such "${id.slice(0, 60)}": "${shown}".`);
}
