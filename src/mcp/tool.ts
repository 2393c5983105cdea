/**
 * What a tool is, here: a name, a short description for the model, a schema that refuses bad arguments by name, the shape of its result, and
 * the function. Results are structured content plus a short text that says the same; a refusal is `isError` with an `error` object.
 */
import type { CallToolResult, Tool as ToolListing, ToolAnnotations } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { LocalClient } from '../platform/local-client.ts';
import { parseWith, toIntercomError } from '../protocol/errors.ts';
import type { IntercomError } from '../protocol/errors.ts';

/** One call of a tool, and what it may use. */
export interface ToolCall {
  readonly client: LocalClient;
  /** Aborted when the client cancels the call or goes away. */
  readonly signal: AbortSignal;
  /** The agent's own id of this tool use, where it gives one; a repeat of the same use must not act twice. */
  readonly toolUseId: string | undefined;
  /** Tells the client that we still wait. Nothing happens if it did not ask to be told. */
  progress(elapsedSeconds: number, totalSeconds: number, text: string): void;
  /** Runs after the result of this call has left the process; never, if it did not. */
  afterAnswer(task: () => Promise<void>): void;
  /** Monotonic milliseconds. */
  now(): number;
  /** Ends early when the signal is aborted. */
  pause(ms: number): Promise<void>;
}

export interface ToolAnswer {
  readonly structured: Record<string, unknown>;
  readonly text: string;
  readonly isError?: boolean;
}

export interface Tool {
  readonly name: string;
  /** Made when asked for: the start does not wait for it. */
  readonly listing: ToolListing;
  run(args: unknown, call: ToolCall): Promise<ToolAnswer>;
}

interface ToolDefinition<I, O extends z.ZodObject> {
  readonly name: string;
  readonly description: string;
  readonly input: z.ZodType<I>;
  readonly output: O;
  readonly annotations?: ToolAnnotations;
  run(args: I, call: ToolCall): Promise<Answer<O>>;
}

export interface Answer<O extends z.ZodObject> {
  readonly structured: z.input<O> & { readonly error?: ReturnType<IntercomError['toWire']> };
  readonly text: string;
  readonly isError?: boolean;
}

export function defineTool<I, O extends z.ZodObject>(definition: ToolDefinition<I, O>): Tool {
  const { name, description, annotations } = definition;
  return {
    name,
    get listing() {
      return {
        name,
        description,
        inputSchema: objectSchema(definition.input, 'input'),
        outputSchema: outline(objectSchema(definition.output, 'output')),
        ...(annotations === undefined ? {} : { annotations }),
      };
    },
    run: async (args, call) => definition.run(parseWith(definition.input, args, 'arguments'), call),
  };
}

/** The JSON schema of an object without what costs context and says nothing. */
function objectSchema(schema: z.ZodType, io: 'input' | 'output'): ToolListing['inputSchema'] {
  const full: unknown = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return ObjectSchema.parse(pruned(full));
}

/**
 * The names and types of a result's fields and no more: the rest costs every session context. Nothing is required, because a refusal
 * has only `error`.
 */
function outline(schema: ToolListing['inputSchema']): ToolListing['inputSchema'] {
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name,
    { type: TypeOf.parse(field).type },
  ]);
  return { type: 'object', properties: z.record(z.string(), TypeOf).parse(Object.fromEntries(fields)) };
}

const TypeOf = z.object({ type: z.string() });
const ObjectSchema = z.looseObject({ type: z.literal('object') });
const NOISE = new Set(['$schema', 'additionalProperties']);

function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pruned);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, entry]) => !NOISE.has(key) && entry !== Number.MAX_SAFE_INTEGER && entry !== Number.MIN_SAFE_INTEGER,
  );
  return Object.fromEntries(entries.map(([key, entry]) => [key, pruned(entry)]));
}

export function toResult(answer: ToolAnswer): CallToolResult {
  return {
    content: [{ type: 'text', text: answer.text }],
    structuredContent: answer.structured,
    ...(answer.isError === true ? { isError: true } : {}),
  };
}

/** Any failure as a result that an agent can act on: code, message, what to do next, whether the same call can help later. */
export function refusal(thrown: unknown, extra: Record<string, unknown> = {}): ToolAnswer {
  const error = toIntercomError(thrown);
  return { structured: { ...extra, error: error.toWire() }, text: errorText(error), isError: true };
}

export function errorText(error: IntercomError): string {
  const field = error.field === undefined ? '' : ` (field: ${error.field})`;
  const next = error.next === undefined ? '' : `\n${error.next}`;
  const retry = error.retry ? 'The same call may work later.' : 'The same call will not work.';
  return `${error.code}: ${error.message}${field}${next}\n${retry}`;
}

/** `{ [name]: value }`, or nothing: absent fields are absent, never undefined. */
export function optional<K extends string, T>(name: K, value: T | undefined): Partial<Record<K, T>>;
export function optional(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}
