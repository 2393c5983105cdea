/** Checks a call against the Bot API's own list of methods, parameters and types (bot-api.json, Bot API 10.1). */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const Field = z.object({ types: z.array(z.string()), required: z.boolean() });
const Fields = z.record(z.string(), Field);
const Spec = z.object({
  version: z.string(),
  allMethods: z.array(z.string()),
  methods: z.record(z.string(), Fields),
  types: z.record(z.string(), z.object({ fields: Fields.optional(), subtypes: z.array(z.string()).optional() })),
});

const spec = Spec.parse(JSON.parse(readFileSync(new URL('./bot-api.json', import.meta.url), 'utf8')));

export function isMethod(name: string): boolean {
  return spec.allMethods.includes(name);
}

/** The first fault of the parameters, in words, or undefined. Stricter than Telegram: unknown parameters are faults too. */
export function parameterFault(method: string, params: Readonly<Record<string, unknown>>): string | undefined {
  const fields = spec.methods[method];
  if (fields === undefined) return `the emulator does not know how to do ${method}`;
  return fieldsFault(method, fields, params);
}

function fieldsFault(
  where: string,
  fields: z.infer<typeof Fields>,
  values: Readonly<Record<string, unknown>>,
): string | undefined {
  for (const [name, value] of Object.entries(values)) {
    const field = fields[name];
    if (field === undefined) return `unknown parameter ${where}.${name}`;
    if (value === undefined) continue;
    const faults = field.types.map((type) => typeFault(`${where}.${name}`, type, value));
    if (!faults.includes(undefined)) return faults[0];
  }
  const missing = Object.entries(fields).find(([name, field]) => field.required && values[name] === undefined);
  return missing === undefined ? undefined : `parameter "${missing[0]}" is required in ${where}`;
}

function typeFault(where: string, type: string, value: unknown): string | undefined {
  const expected = (fits: boolean) => (fits ? undefined : `${where} is not of type ${type}`);
  if (type.startsWith('Array of ')) {
    if (!Array.isArray(value)) return `${where} is not of type ${type}`;
    const inner = type.slice('Array of '.length);
    return value
      .map((item: unknown, index) => typeFault(`${where}.${index}`, inner, item))
      .find((f) => f !== undefined);
  }
  switch (type) {
    case 'Integer':
      return expected(Number.isSafeInteger(value));
    case 'Float':
      return expected(typeof value === 'number');
    case 'String':
      return expected(typeof value === 'string');
    case 'Boolean':
      return expected(typeof value === 'boolean');
    case 'True':
      return expected(value === true);
    case 'InputFile':
      return expected(value instanceof Uint8Array);
  }
  const known = spec.types[type];
  if (known === undefined) return undefined;
  if (!isRecord(value)) return `${where} is not of type ${type}`;
  if (known.subtypes !== undefined) {
    const faults = known.subtypes.map((subtype) => typeFault(where, subtype, value));
    return faults.includes(undefined) ? undefined : faults[0];
  }
  return fieldsFault(where, known.fields ?? {}, value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
