/**
 * Where the agent's hooks call: a listener on loopback with a port of its own, for this one agent.
 *
 *   POST /hook/<event>[?wait=<seconds>]   Authorization: Bearer <token of the agent's environment>; the payload is the body
 *
 * Invariants: a call is in the journal before anybody is asked; an agent never waits for a daemon that is away, but for a decision, for which its own
 * dialog stands open meanwhile; every call is answered, at the latest when its time is over; body, number and time of calls are bounded. A web page
 * cannot call: it has no token, and a request with an Origin is refused.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../platform/clock.ts';
import { listen } from '../../platform/http/server.ts';
import type { Listening } from '../../platform/http/server.ts';
import { DECISION_HOOKS, JOURNAL_ENTRY_MAX } from '../../protocol/runner-api.ts';
import type { JournalEntry } from '../../protocol/runner-api.ts';

/** What an agent is told when nobody has anything to say. */
const NEUTRAL = '{}';
const CALLS_MAX = 200;
const PLAIN_WAIT_MS = 1_000;
/** A decision may take a day; the agent's own time-out is shorter. */
const DECISION_WAIT_MS = 24 * 3_600_000;
const WAIT_MAX_SECONDS = 24 * 3600;

/** A call that waits for its answer. */
export interface WaitingHook {
  readonly call: number;
  readonly seq: number;
  readonly event: string;
  readonly waitMs: number;
}

export interface HookDesk {
  /** Writes the call down; undefined: nothing is kept any more. */
  record(event: string, payload: string, cut: boolean): JournalEntry | undefined;
  /** Asks the daemon; false: it is away. */
  ask(hook: WaitingHook): boolean;
  gone(call: number): void;
  printed(offer: string): void;
}

interface Call extends WaitingHook {
  readonly decision: boolean;
  readonly until: number;
  readonly finish: (text: string, offer: string | undefined) => void;
}

export class HookEndpoint {
  readonly #desk: HookDesk;
  readonly #clock: Clock;
  readonly #calls = new Map<number, Call>();
  #listening: Listening | undefined;
  #count = 0;
  /** What a call must carry; only in the agent's environment. */
  readonly token = randomBytes(32).toString('base64url');

  constructor(desk: HookDesk, clock: Clock) {
    this.#desk = desk;
    this.#clock = clock;
  }

  /** Listens; the answer is the address that hooks call, without the event. */
  async start(): Promise<string> {
    this.#listening = await listen({ host: '127.0.0.1', port: 0 }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    return `http://127.0.0.1:${this.#listening.port}/hook`;
  }

  async stop(): Promise<void> {
    for (const call of [...this.#calls.values()]) call.finish(NEUTRAL, undefined);
    await this.#listening?.close();
  }

  /** The daemon's answer. What comes too late, or for no call, is nothing. */
  answer(call: number, text: string, offer: string | undefined): void {
    this.#calls.get(call)?.finish(text === '' ? NEUTRAL : text, offer);
  }

  /** A daemon has come (again): what still waits is asked of it. */
  askAgain(): void {
    const now = this.#clock.monotonic();
    for (const { call, seq, event, until } of this.#calls.values())
      this.#desk.ask({ call, seq, event, waitMs: Math.max(1, Math.round(until - now)) });
  }

  /** The daemon has gone: only decisions go on waiting. */
  daemonLost(): void {
    for (const call of [...this.#calls.values()]) if (!call.decision) call.finish(NEUTRAL, undefined);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const event = /^\/hook\/([A-Za-z][A-Za-z0-9_.-]{0,59})$/.exec(url.pathname)?.[1];
    if (request.method !== 'POST' || event === undefined) {
      refuse(response, 404);
      return;
    }
    if (request.headers.origin !== undefined || !this.#mayCall(request)) {
      refuse(response, 401);
      return;
    }
    if (this.#calls.size >= CALLS_MAX) {
      refuse(response, 429);
      return;
    }
    const { text, cut } = await readBody(request);
    const entry = this.#desk.record(event, text, cut);
    if (entry === undefined) {
      answerWith(response, NEUTRAL);
      return;
    }
    this.#wait(entry, event, url.searchParams.get('wait'), response);
  }

  #wait(entry: JournalEntry, event: string, asked: string | null, response: ServerResponse): void {
    const seconds = asked !== null && /^\d{1,6}$/.test(asked) ? Math.min(Number(asked), WAIT_MAX_SECONDS) : undefined;
    const decision = seconds !== undefined || DECISION_HOOKS.includes(event);
    const waitMs = seconds === undefined ? (decision ? DECISION_WAIT_MS : PLAIN_WAIT_MS) : seconds * 1000;
    const call = (this.#count += 1);
    const finish = (text: string, offer: string | undefined): void => {
      if (!this.#calls.delete(call)) return;
      cancel();
      response.once('finish', () => {
        if (offer !== undefined) this.#desk.printed(offer);
      });
      answerWith(response, text);
    };
    const cancel = this.#clock.after(waitMs, () => finish(NEUTRAL, undefined));
    const until = this.#clock.monotonic() + waitMs;
    this.#calls.set(call, { call, seq: entry.seq, event, waitMs, decision, until, finish });
    response.once('close', () => {
      if (!this.#calls.delete(call)) return;
      cancel();
      this.#desk.gone(call);
    });
    if (!this.#desk.ask({ call, seq: entry.seq, event, waitMs }) && !decision) finish(NEUTRAL, undefined);
  }

  #mayCall(request: IncomingMessage): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    const right = Buffer.from(`Bearer ${this.token}`);
    return given.length === right.length && timingSafeEqual(given, right);
  }
}

function refuse(response: ServerResponse, status: number): void {
  // What was not read is not read: the connection ends with the answer.
  response.writeHead(status, { connection: 'close', 'content-length': 0 }).end();
}

function answerWith(response: ServerResponse, text: string): void {
  const body = Buffer.from(text, 'utf8');
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
}

/** The whole body is read, so that the agent is not disturbed; what is over the limit is left out. */
async function readBody(request: IncomingMessage): Promise<{ text: string; cut: boolean }> {
  const parts: Buffer[] = [];
  let size = 0;
  let cut = false;
  for await (const part of request) {
    if (!Buffer.isBuffer(part)) continue;
    const kept = part.subarray(0, JOURNAL_ENTRY_MAX - size);
    cut ||= kept.length < part.length;
    size += kept.length;
    if (kept.length > 0) parts.push(kept);
  }
  return { text: Buffer.concat(parts).toString('utf8'), cut };
}
