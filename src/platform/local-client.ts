/**
 * A thin typed client of the daemon's local API (protocol/local-api.ts) over its unix socket: for the MCP server, the demo and the command line.
 *
 * Invariants: every call opens its own connection and reads the key anew, so a restarted daemon is found without anybody noticing; every
 * answer is parsed by its schema; every failure is an IntercomError that says what to do next. The key is sent only to a socket that
 * belongs to this user in a directory that nobody else can write to. Only requests that may be repeated are repeated.
 */
import { lstat, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { ErrorBody, IntercomError, parseWith } from '../protocol/errors.ts';
import { HTTP_BODY_MAX, LONG_POLL_MAX_SECONDS } from '../protocol/limits.ts';
import { Announced, Presence, type Announce } from '../protocol/attention.ts';
import {
  CALLER_HEADERS,
  InboxTaken,
  LocalMessageStatus,
  LocalQuestionState,
  LocalStatus,
  WhoAmI,
} from '../protocol/local-api.ts';
import type {
  LocalFeedback,
  LocalQuestion,
  LocalRegister,
  LocalSession,
  LocalStart,
  LocalSubmit,
  WaitFor,
} from '../protocol/local-api.ts';
import { AgentsResponse, MessageStatus, MissionsPage, Ok, ThreadPage } from '../protocol/machine-api.ts';
import { Inspection, Mission, MissionLogPage } from '../protocol/mission.ts';
import type { MissionState } from '../protocol/mission-life.ts';
import { Session, Trace } from '../protocol/model.ts';
import { errorCode } from './files.ts';
import type { Paths } from './paths.ts';

/** Who calls, as far as the caller knows; becomes CALLER_HEADERS. */
export interface CallerFacts {
  readonly agent?: string | undefined;
  readonly pid?: number | undefined;
  readonly session?: string | undefined;
  readonly cwd?: string | undefined;
  readonly runner?: string | undefined;
}

export interface LocalClientOptions {
  readonly socketPath: string;
  readonly keyPath: string;
  /** Asked at each call: an MCP client says who it is only after the start. */
  readonly caller: () => CallerFacts;
  /** Pauses before the tries after the first, milliseconds: a daemon that restarts is waited for, one that is gone is said. */
  readonly retryPauses?: readonly number[];
  readonly pause?: (ms: number) => Promise<void>;
}

/** An answer larger than this is not one of ours: a page of 100 long messages stays below. */
const ANSWER_MAX = 64 * 1024 * 1024;
/** No call is meant to take longer than this beyond what it was asked to wait. */
const CALL_SECONDS = 20;
const RETRY_PAUSES = [100, 300, 700];
const START_HINT =
  'Start it with `intercom standalone` (or `intercom daemon`), then try again; `intercom doctor` looks for the cause.';

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Safe to send again when the connection broke after it was sent. */
  readonly repeatable: boolean;
  readonly waitSeconds?: number;
}

export class LocalClient {
  readonly #options: LocalClientOptions;

  constructor(options: LocalClientOptions) {
    this.#options = options;
  }

  /** The client of the daemon that these paths belong to. */
  static at(paths: Paths, caller: () => CallerFacts = () => ({ cwd: process.cwd() })): LocalClient {
    return new LocalClient({ socketPath: paths.daemonSocket, keyPath: paths.daemonKey, caller });
  }

  /** Hands a message in. Repeated on a broken connection only with an idempotency key. */
  submit(submit: z.input<typeof LocalSubmit>, signal?: AbortSignal): Promise<MessageStatus> {
    const repeatable = submit.idempotencyKey !== undefined;
    return this.#call(MessageStatus, { method: 'POST', path: '/local/messages', body: submit, signal, repeatable });
  }

  /** The state now, or as soon as what is waited for has come, at most after `waitSeconds` (one slice: ≤ 25). */
  message(
    id: string,
    wait?: { readonly seconds: number; readonly for: WaitFor; readonly signal?: AbortSignal | undefined },
  ): Promise<LocalMessageStatus> {
    const waitSeconds = Math.min(Math.max(wait?.seconds ?? 0, 0), LONG_POLL_MAX_SECONDS);
    const query = wait === undefined ? '' : `?wait=${waitSeconds}&for=${wait.for}`;
    const path = `/local/messages/${encodeURIComponent(id)}${query}`;
    return this.#call(LocalMessageStatus, { method: 'GET', path, signal: wait?.signal, repeatable: true, waitSeconds });
  }

  trace(id: string): Promise<Trace> {
    return this.#get(Trace, `/local/messages/${encodeURIComponent(id)}/trace`);
  }

  cancel(id: string, reason?: string): Promise<MessageStatus> {
    return this.#post(
      MessageStatus,
      `/local/messages/${encodeURIComponent(id)}/cancel`,
      reason === undefined ? {} : { reason },
      true,
    );
  }

  thread(id: string, page: { readonly limit: number; readonly before?: string | undefined }): Promise<ThreadPage> {
    const before = page.before === undefined ? '' : `&before=${encodeURIComponent(page.before)}`;
    return this.#get(ThreadPage, `/local/threads/${encodeURIComponent(id)}?limit=${page.limit}${before}`);
  }

  agents(filter: string): Promise<z.infer<typeof AgentsResponse>> {
    return this.#get(AgentsResponse, `/local/agents?filter=${encodeURIComponent(filter)}`);
  }

  /** Takes what waits for the caller; it counts as delivered only after `acknowledge`. What was taken and lost is offered again. */
  takeInbox(signal?: AbortSignal): Promise<InboxTaken> {
    return this.#call(InboxTaken, { method: 'POST', path: '/local/inbox/take', body: {}, signal, repeatable: true });
  }

  async acknowledge(offer: string): Promise<void> {
    await this.#post(Ok, '/local/inbox/ack', { offer }, true);
  }

  async register(register: z.input<typeof LocalRegister>): Promise<void> {
    await this.#post(Ok, '/local/register', register, true);
  }

  async feedback(feedback: z.input<typeof LocalFeedback>): Promise<void> {
    await this.#post(Ok, '/local/feedback', feedback, false);
  }

  /** Asks for a mission. Repeated on a broken connection only with an idempotency key. */
  startMission(start: z.input<typeof LocalStart>, signal?: AbortSignal): Promise<Mission> {
    const repeatable = start.idempotencyKey !== undefined;
    return this.#call(Mission, { method: 'POST', path: '/local/missions', body: start, signal, repeatable });
  }

  /** The mission now, or as soon as its state is none of `unless`, at most after `seconds` (one slice: ≤ 25). */
  mission(
    id: string,
    wait?: {
      readonly seconds: number;
      readonly unless: readonly MissionState[];
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Mission> {
    const waitSeconds = Math.min(Math.max(wait?.seconds ?? 0, 0), LONG_POLL_MAX_SECONDS);
    const query = wait === undefined ? '' : `?wait=${waitSeconds}&unless=${wait.unless.join(',')}`;
    const path = `/local/missions/${encodeURIComponent(id)}${query}`;
    return this.#call(Mission, { method: 'GET', path, signal: wait?.signal, repeatable: true, waitSeconds });
  }

  missions(limit: number): Promise<z.infer<typeof MissionsPage>> {
    return this.#get(MissionsPage, `/local/missions?limit=${limit}`);
  }

  missionLog(id: string, page: { readonly after: number; readonly limit: number }): Promise<MissionLogPage> {
    const query = `?after=${page.after}&limit=${page.limit}`;
    return this.#get(MissionLogPage, `/local/missions/${encodeURIComponent(id)}/log${query}`);
  }

  cancelMission(id: string, reason?: string): Promise<Mission> {
    const body = reason === undefined ? {} : { reason };
    return this.#post(Mission, `/local/missions/${encodeURIComponent(id)}/cancel`, body, true);
  }

  inspectMission(id: string): Promise<Inspection> {
    return this.#post(Inspection, `/local/missions/${encodeURIComponent(id)}/inspect`, {}, true);
  }

  /** Asks the person of the caller's session; a repeat of its `key` is the same question. */
  askPerson(question: z.input<typeof LocalQuestion>): Promise<LocalQuestionState> {
    return this.#post(LocalQuestionState, '/local/questions', question, true);
  }

  /** How a question stands, or as soon as it is pending no more, at most after `seconds` (one slice: ≤ 25). */
  question(
    ref: string,
    wait?: { readonly seconds: number; readonly signal?: AbortSignal | undefined },
  ): Promise<LocalQuestionState> {
    const waitSeconds = Math.min(Math.max(wait?.seconds ?? 0, 0), LONG_POLL_MAX_SECONDS);
    const path = `/local/questions/${encodeURIComponent(ref)}?wait=${waitSeconds}`;
    return this.#call(LocalQuestionState, { method: 'GET', path, signal: wait?.signal, repeatable: true, waitSeconds });
  }

  async withdrawQuestion(ref: string, reason: string): Promise<void> {
    await this.#post(Ok, `/local/questions/${encodeURIComponent(ref)}/withdraw`, { reason }, true);
  }

  announce(announcement: z.input<typeof Announce>): Promise<Announced> {
    return this.#post(Announced, '/local/announcements', announcement, false);
  }

  presence(): Promise<Presence> {
    return this.#get(Presence, '/local/presence');
  }

  putSession(session: z.input<typeof LocalSession>): Promise<Session> {
    return this.#post(Session, '/local/sessions', session, true);
  }

  async endSession(id: string): Promise<void> {
    await this.#post(Ok, `/local/sessions/${encodeURIComponent(id)}/end`, {}, true);
  }

  whoami(): Promise<WhoAmI> {
    return this.#get(WhoAmI, '/local/whoami');
  }

  status(): Promise<LocalStatus> {
    return this.#get(LocalStatus, '/local/status');
  }

  #get<T>(schema: z.ZodType<T>, path: string): Promise<T> {
    return this.#call(schema, { method: 'GET', path, repeatable: true });
  }

  #post<T>(schema: z.ZodType<T>, path: string, body: unknown, repeatable: boolean): Promise<T> {
    return this.#call(schema, { method: 'POST', path, body, repeatable });
  }

  async #call<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    const pauses = this.#options.retryPauses ?? RETRY_PAUSES;
    const pause = this.#options.pause ?? sleep;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#once(schema, call);
      } catch (error) {
        const wait = pauses[attempt];
        const again = error instanceof Unreached && (call.repeatable || !error.sent);
        if (!again || wait === undefined || call.signal?.aborted === true)
          throw error instanceof Unreached ? error.toError() : error;
        await pause(wait);
      }
    }
  }

  async #once<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    const { status, text } = await this.#exchange(call, await this.#key());
    const json = readJson(text);
    if (status >= 400) {
      const wire = ErrorBody.safeParse(json);
      if (wire.success) throw IntercomError.fromWire(wire.data.error);
      throw new IntercomError('internal', `The daemon answered with status ${status} and no reason.`, {
        next: 'Look into the log of the daemon; `intercom doctor` says where it is.',
      });
    }
    try {
      return parseWith(schema, json, "daemon's answer");
    } catch (cause) {
      throw new IntercomError('unsupported_version', 'The daemon answered in a form that this program does not know.', {
        next: 'Both must be of the same version: restart the daemon (`intercom service restart`, or start it again), then this program.',
        cause,
      });
    }
  }

  async #key(): Promise<string> {
    const { socketPath, keyPath } = this.#options;
    try {
      await checkOwned(socketPath);
      return (await readFile(keyPath, 'utf8')).trim();
    } catch (error) {
      if (error instanceof IntercomError) throw error;
      throw new Unreached(error, false);
    }
  }

  #exchange(call: Call, key: string): Promise<{ status: number; text: string }> {
    const payload = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    if (payload !== undefined && payload.length > HTTP_BODY_MAX) {
      throw new IntercomError('too_large', `That is over ${HTTP_BODY_MAX / 1024} KiB.`, {
        next: 'Send a path or a summary instead.',
      });
    }
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted === true) {
        reject(aborted());
        return;
      }
      let connected = false;
      const outgoing = request({
        socketPath: this.#options.socketPath,
        method: call.method,
        path: call.path,
        agent: false,
        headers: {
          authorization: `Bearer ${key}`,
          ...callerHeaders(this.#options.caller()),
          ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
        },
      });
      const fail = (error: unknown): void => {
        reject(
          call.signal?.aborted === true
            ? aborted()
            : error instanceof IntercomError
              ? error
              : new Unreached(error, connected),
        );
      };
      const onAbort = (): void => void outgoing.destroy(aborted());
      call.signal?.addEventListener('abort', onAbort, { once: true });
      outgoing.on('close', () => call.signal?.removeEventListener('abort', onAbort));
      outgoing.on('socket', (socket) => socket.once('connect', () => (connected = true)));
      outgoing.setTimeout((CALL_SECONDS + (call.waitSeconds ?? 0)) * 1000, () => outgoing.destroy(silent()));
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) => {
        const parts: Buffer[] = [];
        let size = 0;
        incoming.on('data', (part: Buffer) => {
          size += part.length;
          if (size > ANSWER_MAX) outgoing.destroy(new IntercomError('internal', "The daemon's answer is too large."));
          else parts.push(part);
        });
        incoming.on('error', fail);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        );
      });
      outgoing.end(payload);
    });
  }
}

/** The daemon was not reached, or the connection broke before its answer was complete. */
class Unreached extends Error {
  readonly sent: boolean;

  constructor(cause: unknown, sent: boolean) {
    super('unreached', { cause });
    this.sent = sent;
  }

  toError(): IntercomError {
    const code = errorCode(this.cause) ?? 'no answer';
    if (this.sent) {
      return new IntercomError(
        'unreachable',
        `The connection to the intercom daemon broke before it answered (${code}).`,
        {
          next: 'Try again; it may just be restarting.',
          cause: this.cause,
        },
      );
    }
    const gone = code === 'ENOENT' || code === 'ECONNREFUSED';
    return new IntercomError(
      'unreachable',
      gone
        ? 'The intercom daemon does not run on this machine now.'
        : `The intercom daemon could not be reached (${code}).`,
      { next: START_HINT, cause: this.cause },
    );
  }
}

/** Refuses a socket that somebody else could have put there to get our key. */
async function checkOwned(socketPath: string): Promise<void> {
  const uid = process.getuid?.();
  if (uid === undefined) return;
  const [folder, socket] = await Promise.all([lstat(dirname(socketPath)), lstat(socketPath)]);
  if (folder.uid === uid && (folder.mode & 0o022) === 0 && socket.uid === uid && socket.isSocket()) return;
  throw new IntercomError('forbidden', `${socketPath} does not belong to this user alone; nothing was sent to it.`, {
    next: 'Stop the daemon, remove that directory, and start the daemon again.',
  });
}

function callerHeaders(caller: CallerFacts): Record<string, string> {
  const headers: Record<string, string> = {};
  if (caller.agent !== undefined) headers[CALLER_HEADERS.agent] = caller.agent;
  if (caller.pid !== undefined) headers[CALLER_HEADERS.pid] = String(caller.pid);
  if (caller.session !== undefined) headers[CALLER_HEADERS.session] = caller.session;
  if (caller.runner !== undefined) headers[CALLER_HEADERS.runner] = caller.runner;
  if (caller.cwd !== undefined) headers[CALLER_HEADERS.cwd] = encodeURIComponent(wellFormed(caller.cwd));
  return headers;
}

/** Half surrogates, which no URL can hold, as U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function aborted(): IntercomError {
  return new IntercomError('cancelled', 'The call was given up by its caller.');
}

function silent(): Error {
  return new Error('no answer in time');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
