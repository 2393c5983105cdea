/** The hash that binds a decision to what was shown: SHA-256 of the subject in a canonical form, so that the order of keys does not matter. */
import { createHash } from 'node:crypto';
import type { ApprovalSubject } from '../../protocol/model.ts';

export function hashOf(subject: ApprovalSubject): string {
  return createHash('sha256').update(canonical(subject)).digest('hex');
}

/** JSON with the keys of every object in order. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value);
}
