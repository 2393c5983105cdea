/**
 * What went wrong with a call, sorted by what to do about it. Pure but for the error classes it reads.
 *
 * A failure's text never holds the token: the library's errors can carry the request's address, so only known fields are taken over and
 * even those are searched for it.
 */
import { GrammyError, HttpError } from 'grammy';

export type FailureKind =
  /** No answer, or the server's own trouble: try again for as long as it takes. */
  | 'network'
  | 'flood'
  /** The token is wrong or was revoked. */
  | 'token'
  /** Another process polls with this token, or a web hook is set. */
  | 'conflict'
  /** This chat takes nothing from us: blocked, removed, unknown. */
  | 'chat'
  | 'moved'
  | 'topic_gone'
  | 'topic_closed'
  | 'no_forum'
  | 'unchanged'
  | 'message_gone'
  | 'markup'
  | 'other';

export class TelegramFailure extends Error {
  override readonly name = 'TelegramFailure';
  readonly kind: FailureKind;
  readonly method: string;
  readonly retryAfterMs: number;
  readonly movedTo: number | undefined;

  constructor(
    kind: FailureKind,
    method: string,
    text: string,
    extra: { readonly retryAfterMs?: number; readonly movedTo?: number } = {},
  ) {
    super(`${method}: ${text}`);
    this.kind = kind;
    this.method = method;
    this.retryAfterMs = extra.retryAfterMs ?? 0;
    this.movedTo = extra.movedTo;
  }
}

const DESCRIPTIONS: readonly (readonly [RegExp, FailureKind])[] = [
  [/message is not modified/i, 'unchanged'],
  [/message thread not found|topic_deleted|topic_id_invalid|topic not found/i, 'topic_gone'],
  [/topic_closed|topic is closed/i, 'topic_closed'],
  [/not a forum|not enough rights to (create|manage) (a )?topic|chat_admin_required|forum_disabled/i, 'no_forum'],
  [/message to edit not found|message can't be edited|message_id_invalid|message to react not found/i, 'message_gone'],
  [/can't parse entities/i, 'markup'],
  [/chat not found|peer_id_invalid|have no rights to send|not enough rights to send|chat_write_forbidden/i, 'chat'],
];

/** Sorts any thrown thing. */
export function failureOf(thrown: unknown, method: string, token: string): TelegramFailure {
  if (thrown instanceof TelegramFailure) return thrown;
  if (thrown instanceof GrammyError) return refused(thrown, method, token);
  if (thrown instanceof HttpError) return new TelegramFailure('network', method, redact(networkText(thrown), token));
  return new TelegramFailure('other', method, redact(thrown instanceof Error ? thrown.message : String(thrown), token));
}

function refused(error: GrammyError, method: string, token: string): TelegramFailure {
  const text = redact(`${error.error_code} ${error.description}`, token);
  const { retry_after: retryAfter, migrate_to_chat_id: movedTo } = error.parameters;
  if (error.error_code === 429) {
    return new TelegramFailure('flood', method, text, { retryAfterMs: Math.max(1, retryAfter ?? 5) * 1000 });
  }
  if (movedTo !== undefined) return new TelegramFailure('moved', method, text, { movedTo });
  if (error.error_code >= 500) return new TelegramFailure('network', method, text);
  // A token that cannot be one is answered with 404 for every method.
  if (error.error_code === 401 || error.error_code === 404) return new TelegramFailure('token', method, text);
  if (error.error_code === 409) return new TelegramFailure('conflict', method, text);
  if (error.error_code === 403) return new TelegramFailure('chat', method, text);
  const known = DESCRIPTIONS.find(([pattern]) => pattern.test(error.description));
  return new TelegramFailure(known?.[1] ?? 'other', method, text);
}

function networkText(error: HttpError): string {
  const inner = error.error;
  if (typeof inner !== 'object' || inner === null) return 'no answer';
  // The inner message holds the address and with it the token; its code says enough.
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : undefined;
  const status = 'status' in inner && typeof inner.status === 'number' ? `HTTP ${inner.status}` : undefined;
  return code ?? status ?? 'no answer';
}

/** The text without the token, and without anything of a token's shape. */
export function redact(text: string, token: string): string {
  const without = token === '' ? text : text.replaceAll(token, '[token]');
  return without.replace(/\b\d{3,20}:[A-Za-z0-9_-]{20,100}/g, '[token]');
}
