/**
 * A stand-in for the hub's operator API, for work on the app's layout and for states that a real hub reaches only by accident. It keeps the
 * real rules that the app leans on: the cookie, the origin check, compare-and-set with the shown hash, gapless numbers, resume and gap.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer, type WebSocket } from 'ws';
import { IntercomError, parseWith, toIntercomError } from '../../../src/protocol/errors.ts';
import { ClientFrame, type HubEvent, type NewHubEvent, type StreamFrame } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Approval, Message, Thread } from '../../../src/protocol/model.ts';
import { DecisionRequest, MachinePatch, OperatorSubmit, SignIn } from '../../../src/protocol/operator-api.ts';
import { FakeAttention } from './fake-attention.ts';
import { FakeMissions } from './fake-missions.ts';
import { emptyScene, makeMessage, makeThread, past, type Scene } from './scene.ts';

/** As strict as the hub's own. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const DIST = fileURLToPath(new URL('../../../dist/pwa', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
};

interface Match {
  readonly method: string;
  readonly parts: readonly string[];
  readonly body: unknown;
  readonly before: string | undefined;
}

export class FakeOperator {
  scene: Scene = emptyScene();
  epoch = 'e1';
  /** Everything that happened; the index is the number minus one. */
  readonly events: HubEvent[] = [];
  /** Numbers up to here are gone. */
  forgotten = 0;
  /** Put at the end of sw.js: another version of the app. */
  newerApp = '';
  role: 'owner' | 'operator' | 'viewer' = 'owner';
  readonly missions = new FakeMissions({
    list: () => this.scene.missions,
    logs: () => this.scene.logs,
    emit: (event) => this.emit(event),
    mayAct: () => this.role !== 'viewer',
  });
  readonly attention = new FakeAttention({ scene: () => this.scene, emit: (event) => this.emit(event) });
  /** What pages said: true while somebody looks. The newest last. */
  readonly looking: boolean[] = [];
  /** Every call of the API: `GET /api/operator/snapshot`. */
  readonly calls: string[] = [];
  /** Called before every answer of the API; may throw what the hub would refuse. */
  before: (method: string, path: string) => Promise<void> | void = () => undefined;
  readonly #codes = new Set<string>();
  readonly #cookies = new Set<string>();
  readonly #sockets = new Set<WebSocket>();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (!this.#knows(request) || request.headers.origin !== this.url) {
        socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (web) => this.#stream(web, new URL(request.url ?? '/', this.url)));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.terminate();
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  signInLink(): string {
    const code = newId('offer');
    this.#codes.add(code);
    return `${this.url}/#/sign-in/${code}`;
  }

  emit(event: NewHubEvent): void {
    const full: HubEvent = { ...event, seq: this.events.length + 1, at: new Date().toISOString() };
    this.events.push(full);
    for (const socket of this.#sockets) send(socket, { frame: 'event', event: full });
  }

  raise(approval: Approval): Approval {
    this.scene.approvals.push(approval);
    this.emit({ type: 'approval.changed', approval });
    return approval;
  }

  /** A decision from another place. */
  decide(id: string, decision: NonNullable<Approval['decision']>): Approval {
    const index = this.scene.approvals.findIndex((approval) => approval.id === id);
    const approval = this.scene.approvals[index];
    if (approval === undefined) throw new IntercomError('unknown_approval', 'There is no such approval.');
    if (approval.decision !== undefined) {
      throw new IntercomError('conflict', `${approval.decision.by} was first.`, {
        details: { decision: approval.decision },
      });
    }
    const decided: Approval = { ...approval, state: decision.verdict === 'allow' ? 'allowed' : 'denied', decision };
    this.scene.approvals[index] = decided;
    this.emit({ type: 'approval.changed', approval: decided });
    return decided;
  }

  /** A message that was made or moved. */
  tell(message: Message): void {
    const list = this.scene.messages;
    const index = list.findIndex((other) => other.id === message.id);
    if (index < 0) list.push(message);
    else list[index] = message;
    const thread = makeThread(list.filter((other) => other.threadId === message.threadId));
    const threads = this.scene.threads;
    const at = threads.findIndex((other) => other.id === thread.id);
    if (at < 0) threads.push(thread);
    else threads[at] = thread;
    const step = { state: message.state, at: message.stateSince, place: message.place };
    this.scene.steps.set(message.id, [...(this.scene.steps.get(message.id) ?? []), step]);
    this.emit({ type: 'message.changed', message, step, thread });
  }

  #knows(request: IncomingMessage): boolean {
    const match = /intercom=([^;]+)/.exec(request.headers.cookie ?? '');
    return match?.[1] !== undefined && this.#cookies.has(match[1]);
  }

  #stream(socket: WebSocket, url: URL): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('message', (data: Buffer) => {
      const frame = ClientFrame.parse(JSON.parse(data.toString('utf8')));
      if (frame.frame === 'looking') this.looking.push(frame.looking);
    });
    const [epoch, text] = (url.searchParams.get('after') ?? '').split(':');
    const after = Number(text);
    const seq = this.events.length;
    if (text === undefined) send(socket, { frame: 'hello', mode: 'fresh', epoch: this.epoch, seq });
    else if (epoch !== this.epoch || after < this.forgotten || after > seq) {
      send(socket, { frame: 'hello', mode: 'gap', epoch: this.epoch, seq });
    } else {
      send(socket, { frame: 'hello', mode: 'resumed', epoch: this.epoch, seq });
      for (const event of this.events.slice(after)) send(socket, { frame: 'event', event });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    if (!url.pathname.startsWith('/api/')) {
      await serveFile(url.pathname, response, url.pathname === '/sw.js' ? this.newerApp : '');
      return;
    }
    const method = request.method ?? 'GET';
    try {
      if (method !== 'GET' && request.headers.origin !== this.url) {
        throw new IntercomError('wrong_origin', 'Another page asked.');
      }
      const text = await bodyOf(request);
      const body: unknown = text === '' ? undefined : JSON.parse(text);
      const parts = url.pathname.slice('/api/operator/'.length).split('/').map(decodeURIComponent);
      if (parts[0] === 'sign-in') {
        this.#signIn(parseWith(SignIn, body).code, response);
        return;
      }
      if (!this.#knows(request)) throw new IntercomError('unauthorized', 'You are not signed in.');
      this.calls.push(`${method} ${url.pathname}`);
      await this.before(method, url.pathname);
      json(response, 200, this.#route({ method, parts, body, before: url.searchParams.get('before') ?? undefined }));
    } catch (thrown) {
      const error = toIntercomError(thrown);
      json(response, error.status, { error: error.toWire() });
    }
  }

  #signIn(code: string, response: ServerResponse): void {
    if (!this.#codes.delete(code)) {
      throw new IntercomError('unauthorized', 'This link was used already, or its time is over.', {
        next: 'Ask for a new one: intercom login --link.',
      });
    }
    const cookie = newId('log');
    this.#cookies.add(cookie);
    response.setHeader('set-cookie', `intercom=${cookie}; HttpOnly; SameSite=Strict; Path=/`);
    json(response, 200, { operator: this.#me(), hubVersion: '0.1.0' });
  }

  #me() {
    return { name: 'nora', role: this.role };
  }

  #route({ method, parts, body, before }: Match): unknown {
    const [what, id = '', sub] = parts;
    if (what === 'me') return { operator: this.#me(), hubVersion: '0.1.0' };
    if (what === 'sign-out') {
      this.#cookies.clear();
      return { ok: true };
    }
    if (what === 'snapshot') return this.#snapshot();
    if (what === 'approvals' && sub === 'decision') return this.#decision(id, body);
    if (what === 'threads' && id !== '') return this.#thread(id);
    if (what === 'threads') return { threads: this.#newestThreads(before, 50), more: false };
    if (what === 'messages' && sub === 'trace') return this.#trace(id);
    if (what === 'messages' && sub === 'shown') return this.#shown(id);
    if (what === 'messages' && method === 'POST') return this.#submit(parseWith(OperatorSubmit, body));
    if (what === 'machines') return this.#machine(method, id, sub, body);
    if (what === 'attention' || what === 'preferences' || what === 'push') {
      return this.attention.route(method, parts, body, before);
    }
    if (what === 'missions') return this.missions.route(method, id, sub, body, before);
    throw new IntercomError('not_found', 'No such route.');
  }

  #newestThreads(before: string | undefined, limit: number): Thread[] {
    const newest = [...this.scene.threads].sort((a, b) => b.lastMessageAt.localeCompare(a.lastMessageAt));
    const from = before === undefined ? 0 : newest.findIndex((thread) => thread.id === before) + 1;
    return newest.slice(from, from + limit);
  }

  #snapshot() {
    const { machines, agents, approvals, notices } = this.scene;
    const threads = this.#newestThreads(undefined, 50);
    const seq = this.events.length;
    return {
      epoch: this.epoch,
      seq,
      at: past(0),
      me: this.#me(),
      machines,
      agents,
      approvals,
      threads,
      grants: [],
      notices,
      missions: this.missions.newest(50),
      ...this.attention.snapshot(),
    };
  }

  #decision(id: string, body: unknown): Approval {
    const request = parseWith(DecisionRequest, body);
    const approval = this.scene.approvals.find((other) => other.id === id);
    if (approval !== undefined && approval.shownHash !== request.shownHash) {
      throw new IntercomError('changed_since_shown', 'The card changed.');
    }
    return this.decide(id, {
      verdict: request.verdict,
      scope: request.scope,
      by: 'nora',
      via: 'web',
      at: past(0),
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...(request.suggestion === undefined ? {} : { suggestion: request.suggestion }),
      ...(request.answers === undefined ? {} : { answers: request.answers }),
    });
  }

  #thread(id: string) {
    const thread = this.scene.threads.find((other) => other.id === id);
    if (thread === undefined)
      throw new IntercomError('unknown_thread', 'There is no such thread.', { next: 'Go back to the list.' });
    return { thread, messages: this.scene.messages.filter((message) => message.threadId === id), more: false };
  }

  #trace(id: string) {
    const message = this.scene.messages.find((other) => other.id === id);
    if (message === undefined) throw new IntercomError('unknown_message', 'There is no such message.');
    const waitsFor = message.reason ?? 'Nothing: it arrived, and that is proven.';
    return { message, steps: this.scene.steps.get(id) ?? [], waitsFor, recipientAway: message.to.startsWith('shed/') };
  }

  #shown(id: string) {
    const message = this.scene.messages.find((other) => other.id === id);
    if (message === undefined) throw new IntercomError('unknown_message', 'There is no such message.');
    if (message.state === 'queued') this.tell({ ...message, state: 'delivered', place: 'web', stateSince: past(0) });
    return { ok: true };
  }

  /** First results by idempotency key. */
  readonly #submitted = new Map<string, unknown>();

  #submit(submit: OperatorSubmit): unknown {
    const repeated = this.#submitted.get(submit.idempotencyKey ?? '');
    if (repeated !== undefined) return repeated;
    const message = makeMessage(submit.threadId ?? newId('thread'), 'human:nora', submit.to ?? 'human', submit.body, {
      kind: submit.kind,
      state: 'queued',
      createdAt: past(0),
    });
    this.tell(message);
    const { id, threadId, to, state, stateSince, place } = message;
    const status = { id, threadId, to, state, stateSince, place };
    if (submit.idempotencyKey !== undefined) this.#submitted.set(submit.idempotencyKey, status);
    return status;
  }

  #machine(method: string, id: string, sub: string | undefined, body: unknown): unknown {
    const index = this.scene.machines.findIndex((machine) => machine.id === id);
    const machine = this.scene.machines[index];
    if (machine === undefined) throw new IntercomError('unknown_machine', 'There is no such machine.');
    if (method === 'DELETE') {
      this.scene.machines.splice(index, 1);
      this.emit({ type: 'machine.removed', machineId: id });
      return { ok: true };
    }
    const patch = method === 'PATCH' ? parseWith(MachinePatch, body) : {};
    const changed = {
      ...machine,
      ...(patch.displayName === undefined ? {} : { displayName: patch.displayName }),
      ...(sub === 'revoke' ? { status: 'revoked' as const } : {}),
    };
    this.scene.machines[index] = changed;
    this.emit({ type: 'machine.changed', machine: changed });
    return changed;
  }
}

function send(socket: WebSocket, frame: StreamFrame): void {
  socket.send(JSON.stringify(frame));
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value ?? { ok: true }));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) text += String(chunk);
  return text;
}

async function serveFile(path: string, response: ServerResponse, added: string): Promise<void> {
  const name = normalize(path === '/' ? '/index.html' : path);
  try {
    const content = await readFile(join(DIST, name));
    response.writeHead(200, {
      'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
      'content-security-policy': CSP,
      'cache-control': name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    response.end(Buffer.concat([content, Buffer.from(added)]));
  } catch {
    response.writeHead(404).end();
  }
}
