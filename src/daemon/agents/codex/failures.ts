/**
 * What it means when a turn of Codex fails: the provider's limits, or an error. Structured words first (codexErrorInfo of the app-server), else the known notices
 * (`codex exec`, which gives only text). Pure.
 */
import { z } from 'zod';
import { resetTime } from '../reset-time.ts';
import type { AgentEvent } from '../program.ts';
import type { Turn } from './protocol/messages.ts';

const LIMIT_INFO = new Set(['usageLimitExceeded', 'rateLimitExceeded']);
const TooMany = z.looseObject({ responseTooManyFailedAttempts: z.looseObject({ httpStatusCode: z.literal(429) }) });
/** As 0.169.0 words them. */
const LIMIT_NOTICE = /hit your usage limit|last status: 429\b/i;
const TEXT_MAX = 2000;

/** undefined: the turn did not fail. */
export function failureEvent(turn: Turn, at: string): AgentEvent | undefined {
  if (turn.status !== 'failed') return undefined;
  const { message, codexErrorInfo } = turn.error ?? { message: 'The turn failed; Codex does not say why.' };
  const info = typeof codexErrorInfo === 'string' && LIMIT_INFO.has(codexErrorInfo);
  return failure(message, at, info || TooMany.safeParse(codexErrorInfo).success);
}

/** A failure of which there are only words. */
export function failure(message: string, at: string, isLimit = LIMIT_NOTICE.test(message)): AgentEvent {
  const text = plainMessage(message).slice(0, TEXT_MAX);
  if (!isLimit) return { kind: 'turn_ended', text, isError: true, background: false };
  const resetAt = resetOf(message, at);
  return { kind: 'rate_limited', text, ...(resetAt === undefined ? {} : { resetAt }) };
}

/** "… or try again at 10:26 PM.", "… try again at Nov 22nd, 2026 10:26 PM.": in the time zone of this machine. */
function resetOf(message: string, at: string): string | undefined {
  const said = /try again at (.{4,40}?[AP]M)/i.exec(message)?.[1];
  if (said === undefined) return undefined;
  return resetTime(`resets ${said.replace(/(\d)(?:st|nd|rd|th),? \d{4}/i, '$1,')}`, at);
}

/** Some refusals are shown as the provider's raw JSON. */
function plainMessage(message: string): string {
  const Raw = z.looseObject({ error: z.looseObject({ message: z.string() }) });
  try {
    const raw = Raw.safeParse(JSON.parse(message));
    return raw.success ? raw.data.error.message : message;
  } catch {
    return message;
  }
}
