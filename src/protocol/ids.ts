/**
 * Ids: a three-letter kind, `_`, and a ULID (26 characters, time-ordered, monotonic inside one process).
 * They sort by creation, fit into 64-byte callback data, and say what they are when a person meets one in a log.
 */
import { monotonicFactory } from 'ulid';
import { z } from 'zod';

export const ID_KINDS = {
  message: 'msg',
  thread: 'thr',
  approval: 'apr',
  grant: 'grn',
  join: 'joi',
  mission: 'mis',
  feedback: 'fbk',
  offer: 'ofr',
  log: 'log',
  runner: 'run',
  wait: 'wai',
  announcement: 'ann',
} as const;
export type IdKind = keyof typeof ID_KINDS;

const ulid = monotonicFactory();
const BODY = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** A new id of a kind. `time` (ms) is for tests and imports; by default now. */
export function newId(kind: IdKind, time?: number): string {
  return `${ID_KINDS[kind]}_${ulid(time)}`;
}

export function isId(kind: IdKind, text: string): boolean {
  const prefix = `${ID_KINDS[kind]}_`;
  return text.length === prefix.length + 26 && text.startsWith(prefix) && BODY.test(text.slice(prefix.length));
}

function idSchema(kind: IdKind) {
  return z
    .string()
    .max(64)
    .refine((text) => isId(kind, text), { message: `not a ${kind} id (${ID_KINDS[kind]}_ and 26 characters)` });
}

export const MessageId = idSchema('message');
export const ThreadId = idSchema('thread');
export const ApprovalId = idSchema('approval');
export const GrantId = idSchema('grant');
export const JoinId = idSchema('join');
export const RunnerId = idSchema('runner');
export const MissionId = idSchema('mission');
export const WaitId = idSchema('wait');
export const AnnouncementId = idSchema('announcement');
