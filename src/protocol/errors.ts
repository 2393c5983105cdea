/**
 * The one error of the product, and its codes.
 *
 * Every refusal that leaves a boundary (HTTP, WebSocket, MCP, CLI) is an IntercomError in its wire form: a code, a sentence, the
 * faulty field where there is one, what to do next, and whether trying again can help. HTTP status and CLI exit code derive
 * from the code alone, so that every surface says the same.
 */
import { z } from 'zod';

interface CodeFacts {
  /** HTTP status. */
  readonly status: number;
  /** CLI exit code; documented in docs/protocol.md. */
  readonly exit: number;
  /** Whether the same request can succeed later without being changed. */
  readonly retry: boolean;
}

/** 2 usage · 3 not found · 4 refused by policy or person · 5 not allowed · 6 unreachable or away · 7 conflict · 8 limit · 1 the rest. */
export const ERROR_CODES = {
  /** A field is missing, of the wrong type, too long or otherwise not what the schema says. `field` names it. */
  invalid_request: { status: 400, exit: 2, retry: false },
  /** A text is not an address. */
  invalid_address: { status: 400, exit: 2, retry: false },
  /** The configuration file or a policy file has a fault; `field` and `details.line` say where. */
  invalid_config: { status: 400, exit: 2, retry: false },
  /** The body is over the limit of the surface. */
  too_large: { status: 413, exit: 2, retry: false },
  /** The content type is not JSON. */
  unsupported_media_type: { status: 415, exit: 2, retry: false },
  /** No such route. */
  not_found: { status: 404, exit: 3, retry: false },
  unknown_machine: { status: 404, exit: 3, retry: false },
  unknown_project: { status: 404, exit: 3, retry: false },
  unknown_session: { status: 404, exit: 3, retry: false },
  unknown_message: { status: 404, exit: 3, retry: false },
  unknown_thread: { status: 404, exit: 3, retry: false },
  unknown_approval: { status: 404, exit: 3, retry: false },
  unknown_grant: { status: 404, exit: 3, retry: false },
  unknown_join: { status: 404, exit: 3, retry: false },
  unknown_mission: { status: 404, exit: 3, retry: false },
  /** No such agent is configured or installed on that machine. */
  unknown_agent: { status: 404, exit: 3, retry: false },
  /** The directory is outside `agent_launcher.allowed_paths` of that machine. */
  path_not_allowed: { status: 403, exit: 5, retry: false },
  /** An id or prefix fits more than one thing; nothing was guessed. */
  ambiguous: { status: 409, exit: 7, retry: false },
  /** A policy rule forbids it. */
  denied_by_policy: { status: 403, exit: 4, retry: false },
  /** An operator said no. */
  denied: { status: 403, exit: 4, retry: false },
  /** Nobody decided in time; that never means yes. */
  expired: { status: 410, exit: 4, retry: false },
  /** A message ended without arriving; the message of the error says why. */
  failed: { status: 502, exit: 6, retry: false },
  /** It was cancelled or withdrawn. */
  cancelled: { status: 410, exit: 4, retry: false },
  /** No credentials, or a surface that this caller may not use. */
  unauthorized: { status: 401, exit: 5, retry: false },
  forbidden: { status: 403, exit: 5, retry: false },
  /** The request carries no signature headers. */
  unsigned: { status: 401, exit: 5, retry: false },
  /** The signature does not fit the request: altered on the way, or another secret. */
  bad_signature: { status: 401, exit: 5, retry: false },
  /** This exact request was already received. */
  replayed: { status: 401, exit: 5, retry: false },
  /** The clocks differ by more than the window; `details.differenceSeconds` says by how much. */
  clock_skew: { status: 401, exit: 5, retry: true },
  /** The signing or schema version is not spoken here. */
  unsupported_version: { status: 400, exit: 5, retry: false },
  /** The machine's membership was revoked. */
  revoked: { status: 403, exit: 5, retry: false },
  /** A web page of another origin, or a host name that is not ours. */
  wrong_origin: { status: 403, exit: 5, retry: false },
  /** Somebody else was first (approval answered, state moved on). `details` says who or what. */
  conflict: { status: 409, exit: 7, retry: false },
  /** What was shown is not what is there now; look again. */
  changed_since_shown: { status: 409, exit: 7, retry: false },
  /** A rate, a queue or a cap is full. `details.retryAfterSeconds` where known. */
  limit_reached: { status: 429, exit: 8, retry: true },
  /** The other side cannot be reached now. */
  unreachable: { status: 503, exit: 6, retry: true },
  /** The machine has not been heard from. */
  machine_away: { status: 503, exit: 6, retry: true },
  /** Waiting was given up; the thing itself goes on. */
  timeout: { status: 504, exit: 6, retry: true },
  /** The store cannot be written or read (disk full, locked, corrupt). */
  storage_failed: { status: 503, exit: 1, retry: true },
  /** The store was made by a newer version. */
  storage_too_new: { status: 500, exit: 1, retry: false },
  /** This function comes with a later version. */
  unavailable: { status: 501, exit: 1, retry: false },
  /** A fault of ours. The log has it under `details.id`. */
  internal: { status: 500, exit: 1, retry: true },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

export interface ErrorOptions {
  /** The faulty field, as a path: `items.0.to`. */
  readonly field?: string;
  /** One sentence: what to do now. */
  readonly next?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class IntercomError extends Error {
  override readonly name = 'IntercomError';
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly next: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.next = options.next;
    this.details = options.details;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  get retry(): boolean {
    return ERROR_CODES[this.code].retry;
  }

  /** The form that leaves the process: no stack, no cause, no secret. */
  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      retry: this.retry,
      ...(this.field === undefined ? {} : { field: this.field }),
      ...(this.next === undefined ? {} : { next: this.next }),
      ...(this.details === undefined ? {} : { details: { ...this.details } }),
    };
  }

  static fromWire(wire: WireError): IntercomError {
    const code = isErrorCode(wire.code) ? wire.code : 'internal';
    return new IntercomError(code, wire.message, {
      ...(wire.field === undefined ? {} : { field: wire.field }),
      ...(wire.next === undefined ? {} : { next: wire.next }),
      ...(wire.details === undefined ? {} : { details: wire.details }),
    });
  }
}

export const WireError = z.object({
  code: z.string(),
  message: z.string(),
  /** Whether the same request can succeed later. */
  retry: z.boolean(),
  field: z.string().optional(),
  next: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type WireError = z.infer<typeof WireError>;

/** Every HTTP answer with a status of 400 or more has this body. */
export const ErrorBody = z.object({ error: WireError });
export type ErrorBody = z.infer<typeof ErrorBody>;

/**
 * Reads `value` by `schema`, or throws `invalid_request` naming the first faulty field (`what` says what was read: "body", "query").
 * At most the first five faults go into `details.issues`.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, what = 'request'): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .flatMap(plainIssues)
    .slice(0, 5)
    .map((issue) => ({
      field: issue.path.map(String).join('.').slice(0, 200),
      problem: issue.message.slice(0, 300),
    }));
  const first = issues[0] ?? { field: '', problem: 'not valid' };
  const where = first.field === '' ? `The ${what}` : `${first.field} in the ${what}`;
  throw new IntercomError('invalid_request', `${where} is not valid: ${first.problem}.`, {
    ...(first.field === '' ? {} : { field: first.field }),
    next: 'Correct that field and send it again.',
    details: { issues },
  });
}

/** Of a value that may be of several forms: what is wrong with it in the form that it has. */
function plainIssues(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.find((form) => form.every(({ code, path }) => code !== 'invalid_type' || path.length > 0));
  return (meant ?? [])
    .map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
    .flatMap(plainIssues)
    .concat(meant === undefined ? [issue] : []);
}

/** Any thrown thing as an IntercomError; what is not one becomes `internal` with its cause kept. */
export function toIntercomError(thrown: unknown): IntercomError {
  if (thrown instanceof IntercomError) return thrown;
  return new IntercomError('internal', 'Something went wrong here that should not have.', {
    next: 'Try again; if it stays, look into the log.',
    cause: thrown,
  });
}
