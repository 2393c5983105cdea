/** Query strings as schemas: everything arrives as text, once; a parameter that is given twice is refused. */
import { z } from 'zod';
import { isId } from '../../protocol/ids.ts';
import type { PageQuery } from '../services.ts';

const PAGE_DEFAULT = 50;
const PAGE_MAX = 100;

/** A whole number in a query string. */
export function countText(max: number, fallback: number) {
  return z
    .string()
    .regex(/^[0-9]{1,6}$/, { message: 'not a whole number' })
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, { message: `between 1 and ${max}` })
    .default(fallback);
}

/** Seconds to wait, whole or not. */
export function secondsText(max: number) {
  return z
    .string()
    .regex(/^[0-9]{1,4}(\.[0-9]{1,3})?$/, { message: 'not a number of seconds' })
    .transform((text) => Math.min(Number(text), max))
    .default(0);
}

export const PageQueryText = z.object({
  limit: countText(PAGE_MAX, PAGE_DEFAULT),
  before: z
    .string()
    .max(64)
    .refine((text) => isId('message', text) || isId('thread', text), { message: 'not the id of a message or thread' })
    .optional(),
});

export function pageOf(query: z.infer<typeof PageQueryText>): PageQuery {
  return { limit: query.limit, ...(query.before === undefined ? {} : { before: query.before }) };
}

/** Places in the event log: `epoch:seq`. */
export function positionOf(text: string): { readonly epoch: string; readonly seq: number } | undefined {
  const found = /^([A-Za-z0-9_-]{1,64}):([0-9]{1,15})$/.exec(text);
  if (found?.[1] === undefined || found[2] === undefined) return undefined;
  return { epoch: found[1], seq: Number(found[2]) };
}
