/**
 * A daemon's local API with scripted answers, on a real unix socket: it refuses what the real one refuses (no key, a body that is not what
 * the schema says, an unknown route) and checks its own answers against the schemas, so that no test passes on an impossible exchange.
 */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { z } from 'zod';
import { resolvePaths } from '../../src/platform/paths.ts';
import { Announce, Announced, Presence } from '../../src/protocol/attention.ts';
import { IntercomError, parseWith, toIntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import {
  CALLER_HEADERS,
  InboxAck,
  InboxTaken,
  LocalFeedback,
  LocalMessageStatus,
  LocalQuestion,
  LocalQuestionState,
  LocalRegister,
  LocalSession,
  LocalStart,
  LocalStatus,
  LocalSubmit,
  WaitFor,
  WhoAmI,
  WithdrawQuestion,
} from '../../src/protocol/local-api.ts';
import {
  AgentsResponse,
  CancelRequest,
  MessageStatus,
  MissionsPage,
  MissionWord,
  Ok,
  ThreadPage,
} from '../../src/protocol/machine-api.ts';
import { Inspection, Mission, MissionLogPage } from '../../src/protocol/mission.ts';
import { Session, Trace } from '../../src/protocol/model.ts';

export interface Seen {
  readonly route: string;
  readonly id: string | undefined;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly caller: Readonly<Record<string, string | undefined>>;
  /** Aborted when the caller hung up. */
  readonly gone: AbortSignal;
}

type Respond = (seen: Seen) => unknown;

interface Route {
  readonly pattern: RegExp;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
}

const ROUTES: Readonly<Record<string, Route>> = {
  submit: { pattern: /^POST \/local\/messages$/, body: LocalSubmit, answer: MessageStatus },
  message: { pattern: /^GET \/local\/messages\/([^/]+)$/, answer: LocalMessageStatus },
  trace: { pattern: /^GET \/local\/messages\/([^/]+)\/trace$/, answer: Trace },
  cancel: { pattern: /^POST \/local\/messages\/([^/]+)\/cancel$/, body: CancelRequest, answer: MessageStatus },
  thread: { pattern: /^GET \/local\/threads\/([^/]+)$/, answer: ThreadPage },
  agents: { pattern: /^GET \/local\/agents$/, answer: AgentsResponse },
  take: { pattern: /^POST \/local\/inbox\/take$/, answer: InboxTaken },
  ack: { pattern: /^POST \/local\/inbox\/ack$/, body: InboxAck, answer: Ok },
  register: { pattern: /^POST \/local\/register$/, body: LocalRegister, answer: Ok },
  feedback: { pattern: /^POST \/local\/feedback$/, body: LocalFeedback, answer: Ok },
  session: { pattern: /^POST \/local\/sessions$/, body: LocalSession, answer: Session },
  endSession: { pattern: /^POST \/local\/sessions\/([^/]+)\/end$/, answer: Ok },
  startMission: { pattern: /^POST \/local\/missions$/, body: LocalStart, answer: Mission },
  missions: { pattern: /^GET \/local\/missions$/, answer: MissionsPage },
  mission: { pattern: /^GET \/local\/missions\/([^/]+)$/, answer: Mission },
  missionLog: { pattern: /^GET \/local\/missions\/([^/]+)\/log$/, answer: MissionLogPage },
  cancelMission: { pattern: /^POST \/local\/missions\/([^/]+)\/cancel$/, body: MissionWord, answer: Mission },
  inspectMission: { pattern: /^POST \/local\/missions\/([^/]+)\/inspect$/, answer: Inspection },
  askPerson: { pattern: /^POST \/local\/questions$/, body: LocalQuestion, answer: LocalQuestionState },
  question: { pattern: /^GET \/local\/questions\/([^/]+)$/, answer: LocalQuestionState },
  withdrawQuestion: { pattern: /^POST \/local\/questions\/([^/]+)\/withdraw$/, body: WithdrawQuestion, answer: Ok },
  announce: { pattern: /^POST \/local\/announcements$/, body: Announce, answer: Announced },
  presence: { pattern: /^GET \/local\/presence$/, answer: Presence },
  whoami: { pattern: /^GET \/local\/whoami$/, answer: WhoAmI },
  status: { pattern: /^GET \/local\/status$/, answer: LocalStatus },
};

const KEY = 'k'.repeat(43);

export class ScriptedDaemon {
  readonly home: string;
  /** What was asked, in order. */
  readonly seen: Seen[] = [];
  readonly #script = new Map<string, Respond>();
  readonly #waiting: { route: string; resolve: (seen: Seen) => void }[] = [];
  #server: Server | undefined;

  private constructor(home: string) {
    this.home = home;
    this.#defaults();
  }

  static async start(): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon(await mkdtemp(join(tmpdir(), 'icd-')));
    await daemon.up();
    return daemon;
  }

  /** Answers a route from now on. A thrown IntercomError becomes its wire form. */
  on(route: string, respond: Respond): this {
    this.#script.set(route, respond);
    return this;
  }

  /** Forgets what was asked and scripted, as if it were new. */
  reset(): void {
    this.seen.length = 0;
    this.#waiting.length = 0;
    this.#script.clear();
    this.#defaults();
  }

  #defaults(): void {
    this.on('ack', () => ({ ok: true }));
    this.on('whoami', () => ({
      address: 'laptop/api#s-ada1',
      machine: 'laptop',
      project: 'api',
      session: 's-ada1',
      hubReachable: true,
    }));
  }

  /** The next request of this route, from now. */
  next(route: string): Promise<Seen> {
    return new Promise((resolve) => this.#waiting.push({ route, resolve }));
  }

  count(route: string): number {
    return this.seen.filter((seen) => seen.route === route).length;
  }

  async up(): Promise<void> {
    const paths = resolvePaths({ INTERCOM_HOME: this.home });
    for (const folder of [paths.state, paths.runtime]) await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(paths.daemonKey, `${KEY}\n`, { mode: 0o600 });
    await rm(paths.daemonSocket, { force: true });
    const server = createServer((request, response) => {
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      this.#answer(request, gone.signal)
        .then((body) => ({ status: 200, body }))
        .catch((thrown: unknown) => {
          const error = toIntercomError(thrown);
          return { status: error.status, body: { error: error.toWire() } };
        })
        .then(({ status, body }) => {
          response.writeHead(status, { 'content-type': 'application/json' });
          response.end(JSON.stringify(body));
        })
        .catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(paths.daemonSocket, resolve));
    this.#server = server;
  }

  /** As after a kill: every connection is cut, nobody listens. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async stop(): Promise<void> {
    await this.down();
    await rm(this.home, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, gone: AbortSignal): Promise<unknown> {
    if (request.headers.authorization !== `Bearer ${KEY}`) throw new IntercomError('unauthorized', 'no key');
    const url = new URL(request.url ?? '/', 'http://local');
    const text = await readText(request);
    const line = `${request.method ?? ''} ${url.pathname}`;
    const entry = Object.entries(ROUTES).find(([, route]) => route.pattern.test(line));
    if (entry === undefined) throw new IntercomError('not_found', line);
    const [name, route] = entry;
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    const body = route.body === undefined ? json : parseWith(route.body, json, 'body');
    const waitFor = url.searchParams.get('for');
    if (waitFor !== null) parseWith(WaitFor, waitFor, 'query');
    const seen: Seen = {
      route: name,
      id: route.pattern.exec(line)?.[1],
      query: url.searchParams,
      body,
      caller: callerOf(request),
      gone,
    };
    this.seen.push(seen);
    const index = this.#waiting.findIndex((waiting) => waiting.route === name);
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve(seen);
    const respond = this.#script.get(name);
    if (respond === undefined) throw new IntercomError('internal', `the script has no answer to ${line}`);
    return parseWith(route.answer, await respond(seen), 'scripted answer');
  }
}

function callerOf(request: IncomingMessage): Record<string, string | undefined> {
  const one = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const cwd = one(CALLER_HEADERS.cwd);
  return {
    agent: one(CALLER_HEADERS.agent),
    pid: one(CALLER_HEADERS.pid),
    session: one(CALLER_HEADERS.session),
    cwd: cwd === undefined ? undefined : decodeURIComponent(cwd),
    runner: one(CALLER_HEADERS.runner),
  };
}

const AT = '2026-01-02T03:04:05.678Z';

/** A status as the daemon would give it. */
export function status(over: Partial<LocalMessageStatus> = {}): LocalMessageStatus {
  return {
    id: newId('message'),
    threadId: newId('thread'),
    to: 'server/web',
    state: 'queued',
    stateSince: AT,
    place: 'hub',
    ...over,
  };
}

/** A message that the recipient answered. */
export function answered(over: Partial<LocalMessageStatus> = {}, body = 'It is 42.'): LocalMessageStatus {
  return status({
    state: 'answered',
    answer: { id: newId('message'), from: 'server/web#s-ben01', body, at: AT },
    ...over,
  });
}

export function traceOf(of: LocalMessageStatus, over: Partial<Trace['message']> = {}): Trace {
  return {
    message: {
      id: of.id,
      threadId: of.threadId,
      kind: 'chat',
      from: 'laptop/api#s-ada1',
      to: of.to,
      body: 'hello',
      priority: 'normal',
      state: of.state,
      stateSince: of.stateSince,
      place: of.place,
      createdAt: AT,
      expiresAt: AT,
      ...over,
    },
    steps: [{ state: 'submitted', at: AT, place: 'hub' }],
    waitsFor: 'Nothing: it is over.',
    recipientAway: false,
  };
}

/** A mission as the hub would tell it. */
export function mission(over: Partial<Mission> = {}): Mission {
  return {
    id: newId('mission'),
    machine: 'server',
    project: 'web',
    threadId: newId('thread'),
    agent: 'claude',
    runtime: 'terminal',
    text: 'tidy up',
    flags: [],
    isolation: 'none',
    limits: {},
    requestedBy: 'laptop/api#s-ada1',
    depth: 1,
    state: 'awaiting_approval',
    stateSince: AT,
    place: 'hub',
    run: 0,
    logSeq: 0,
    createdAt: AT,
    ...over,
  };
}
