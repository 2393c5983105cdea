/**
 * The daemon's side of a hub: a real HTTP server that checks the machine's signature and the schema of every call, keeps each message once, and
 * can be told to be away, to start anew, to lose an answer or to refuse. It also calls the daemon as a hub does.
 */
import type { Clock } from '../../src/platform/clock.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { Api, finishApp, newApp } from '../../src/platform/http/api.ts';
import { JsonClient, signing } from '../../src/platform/http/client.ts';
import { listen, type Listening } from '../../src/platform/http/server.ts';
import { signedBy, type SignedBy } from '../../src/platform/http/signed.ts';
import { silentLog } from '../../src/platform/log.ts';
import { UsageReport } from '../../src/protocol/attention.ts';
import { DeliverResponse, PingResponse, type DeliverItem, type DeliverMessage } from '../../src/protocol/daemon-api.ts';
import { IntercomError, type WireError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import * as wire from '../../src/protocol/machine-api.ts';
import { Mission, MissionNewsRequest, MissionNewsResponse, type MissionNews } from '../../src/protocol/mission.ts';
import { Announced, Presence } from '../../src/protocol/attention.ts';
import { Approval, Trace, type Decision, type Session } from '../../src/protocol/model.ts';
import { sealRotation } from '../../src/protocol/sealing.ts';
import { HUB_SIGNER } from '../../src/protocol/signing.ts';
import { z } from 'zod';

const IdParams = z.object({ id: z.string() });

export class FakeHub {
  readonly machineId: string;
  secret: string;
  epoch = 'epoch-1';
  heartbeatSeconds = 15;
  readonly hellos: wire.HelloRequest[] = [];
  /** What happens while a hello is being taken. */
  onHello: (() => Promise<void>) | undefined;
  readonly heartbeats: z.infer<typeof wire.HeartbeatRequest>[] = [];
  readonly sessions: Session[] = [];
  readonly projects: z.infer<typeof wire.ProjectsRequest>['projects'][] = [];
  /** What is asked of people, by ref; and what came of it. */
  readonly asked = new Map<string, Approval>();
  readonly effects: wire.ApprovalEffect[] = [];
  readonly announced: wire.AnnounceRequest[] = [];
  /** Messages by id, in the order in which they came first. */
  readonly taken = new Map<string, wire.SubmitItem>();
  readonly threads = new Map<string, string>();
  readonly statuses = new Map<string, wire.MessageStatus>();
  readonly receipts: wire.Receipt[] = [];
  readonly missionNews: MissionNews[] = [];
  /** What calls about missions are answered with; what was called, and what was asked for. */
  mission: Mission | undefined;
  readonly missionCalls: string[] = [];
  readonly started: wire.StartMission[] = [];
  /** Missions that this hub never had. */
  readonly forgotten = new Set<string>();
  readonly feedback: z.infer<typeof wire.FeedbackRequest>[] = [];
  readonly cancelled: string[] = [];
  readonly usage: UsageReport[] = [];
  /** Submit batches, as they came. */
  batches: string[][] = [];
  /** Every call is refused with this. */
  refusal: IntercomError | undefined;
  /** Asks for a hello with the next heartbeat. */
  resync = false;
  /** Answers to submits that get lost after the batch was stored. */
  losesAnswers = 0;
  /** Items that are refused, by body. */
  readonly refuses = new Map<string, WireError>();
  readonly #clock: Clock;
  readonly #app = newApp();
  #server: Listening | undefined;
  #port = 0;
  #daemon: JsonClient | undefined;
  #seq = 0;
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(machineId: string, secret: string, clock: Clock) {
    this.machineId = machineId;
    this.secret = secret;
    this.#clock = clock;
  }

  static async start(
    machineId = 'laptop',
    secret = 'secret-of-the-laptop-0123456789',
    clock: Clock = systemClock,
  ): Promise<FakeHub> {
    const hub = new FakeHub(machineId, secret, clock);
    hub.#routes();
    await hub.comeBack();
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Waits until `enough` holds; looked at after each call. */
  until(enough: () => boolean): Promise<void> {
    if (enough()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ enough, resolve }));
  }

  async goAway(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  /** At the same address as before. */
  async comeBack(): Promise<void> {
    this.#server = await listen({ host: '127.0.0.1', port: this.#port }, this.#app);
    this.#port = this.#server.port;
  }

  async stop(): Promise<void> {
    await this.#daemon?.close();
    await this.goAway();
  }

  // ── as the hub calls ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Signed in the name of the hub; `secret` for another one. */
  daemon(secret?: string): JsonClient {
    const origin = this.hellos.at(-1)?.daemonUrl;
    if (origin === undefined) throw new Error('the daemon has not said hello');
    const authorize = signing(
      HUB_SIGNER,
      () => secret ?? this.secret,
      () => this.#clock.now(),
    );
    return new JsonClient({ origin, authorize, peer: 'the daemon', unreachableNext: 'none' });
  }

  async deliver(...items: readonly DeliverItem[]): Promise<z.infer<typeof DeliverResponse>['results']> {
    const body = { hubEpoch: this.epoch, items: items.map((item) => ({ seq: (this.#seq += 1), body: item })) };
    return (await this.#call({ method: 'POST', path: '/api/hub/deliver', body }, DeliverResponse)).results;
  }

  async ping(): Promise<z.infer<typeof PingResponse>> {
    return this.#call({ method: 'GET', path: '/api/hub/ping' }, PingResponse);
  }

  async rotate(secret: string): Promise<void> {
    await this.#call({ method: 'POST', path: '/api/hub/rotate', body: sealRotation(this.secret, secret) }, wire.Ok);
  }

  async revoke(): Promise<void> {
    await this.#call({ method: 'POST', path: '/api/hub/revoked', body: {} }, wire.Ok);
  }

  /** A message for an agent of the machine. */
  mail(changes: Partial<DeliverMessage> = {}): DeliverMessage {
    const now = this.#clock.now();
    return {
      item: 'message',
      id: newId('message'),
      threadId: newId('thread'),
      kind: 'send',
      from: 'desk/api',
      project: 'home',
      binding: 'exact',
      body: 'hello',
      priority: 'normal',
      approval: 'allowed by rule 1',
      depth: 0,
      sentAt: new Date(now).toISOString(),
      expiresAt: new Date(now + 3_600_000).toISOString(),
      ...changes,
    };
  }

  /** The message's status, changed by `changes`. */
  statusOf(item: wire.SubmitItem, changes: Partial<wire.MessageStatus> = {}): wire.MessageStatus {
    const threadId = item.threadId ?? this.threads.get(item.id) ?? newId('thread');
    this.threads.set(item.id, threadId);
    const before = this.statuses.get(item.id);
    if (before !== undefined && Object.keys(changes).length === 0) return before;
    const status: wire.MessageStatus = {
      id: item.id,
      threadId,
      to: item.to ?? 'desk/api',
      state: 'queued',
      stateSince: new Date(this.#clock.now()).toISOString(),
      place: 'hub',
      ...changes,
    };
    this.statuses.set(item.id, status);
    return status;
  }

  async #call<T>(request: Parameters<JsonClient['call']>[0], schema: z.ZodType<T>): Promise<T> {
    const client = this.daemon();
    try {
      return await client.call(request, schema);
    } finally {
      await client.close();
    }
  }

  // ── as the daemon calls ──────────────────────────────────────────────────────────────────────────────────────────────

  #routes(): void {
    const api = new Api<SignedBy>(
      signedBy((machine) => {
        if (this.refusal !== undefined) throw this.refusal;
        if (machine !== this.machineId) throw new IntercomError('unknown_machine', 'Who is that?', { next: 'Join.' });
        return [this.secret];
      }, this.#clock),
    );
    this.#registration(api);
    this.#messages(api);
    this.#missions(api);
    this.#people(api);
    this.#app.use((_request, response, next) => {
      response.once('finish', () => this.#tell());
      next();
    });
    this.#app.use(api.router);
    finishApp(this.#app, silentLog());
  }

  #registration(api: Api<SignedBy>): void {
    api.route(
      { method: 'POST', path: '/api/machine/hello', summary: '', body: wire.HelloRequest, answer: wire.HelloResponse },
      async ({ body }) => {
        this.hellos.push(body);
        this.resync = false;
        await this.onHello?.();
        return {
          hubEpoch: this.epoch,
          hubVersion: '0',
          protocol: 1,
          heartbeatSeconds: this.heartbeatSeconds,
          time: new Date(this.#clock.now()).toISOString(),
        };
      },
    );
    api.route(
      {
        method: 'POST',
        path: '/api/machine/heartbeat',
        summary: '',
        body: wire.HeartbeatRequest,
        answer: wire.HeartbeatResponse,
      },
      async ({ body }) => {
        this.heartbeats.push(body);
        return { hubEpoch: this.epoch, resync: this.resync };
      },
    );
    api.route(
      { method: 'POST', path: '/api/machine/sessions', summary: '', body: wire.SessionsRequest, answer: wire.Ok },
      async ({ body }) => {
        this.sessions.push(...body.sessions);
        return { ok: true } as const;
      },
    );
    api.route(
      { method: 'POST', path: '/api/machine/projects', summary: '', body: wire.ProjectsRequest, answer: wire.Ok },
      async ({ body }) => {
        this.projects.push(body.projects);
        return { ok: true } as const;
      },
    );
    api.route(
      { method: 'POST', path: '/api/machine/feedback', summary: '', body: wire.FeedbackRequest, answer: wire.Ok },
      async ({ body }) => {
        this.feedback.push(body);
        return { ok: true } as const;
      },
    );
    api.route(
      { method: 'POST', path: '/api/machine/usage', summary: '', body: UsageReport, answer: wire.Ok },
      async ({ body }) => {
        this.usage.push(body);
        return { ok: true } as const;
      },
    );
    api.route({ method: 'GET', path: '/api/machine/agents', summary: '', answer: wire.AgentsResponse }, async () => ({
      agents: [],
      at: new Date(this.#clock.now()).toISOString(),
    }));
  }

  #missions(api: Api<SignedBy>): void {
    api.route(
      {
        method: 'POST',
        path: '/api/machine/missions/news',
        summary: '',
        body: MissionNewsRequest,
        answer: MissionNewsResponse,
      },
      async ({ body }) => {
        const known = body.items.filter(({ missionId }) => !this.forgotten.has(missionId));
        this.missionNews.push(...known);
        return { results: body.items.map((item) => (known.includes(item) ? 'applied' : 'unknown_mission')) };
      },
    );
    this.#missionCalls(api);
  }

  /** As an operator: decides what was asked, and tells the daemon. */
  async decide(ref: string, decision: Partial<Decision> = {}): Promise<void> {
    const approval = this.asked.get(ref);
    if (approval === undefined) throw new Error(`nothing was asked as ${ref}`);
    const made: Decision = {
      verdict: 'allow',
      scope: 'once',
      by: 'gilles',
      via: 'web',
      at: new Date(this.#clock.now()).toISOString(),
      ...decision,
    };
    const state = made.verdict === 'allow' ? 'allowed' : 'denied';
    this.asked.set(ref, { ...approval, state, decision: made });
    await this.deliver({ item: 'decision', ref, approvalId: approval.id, state, decision: made });
  }

  #people(api: Api<SignedBy>): void {
    const ok = { ok: true } as const;
    const raised = ({ id, state, decision }: Approval): wire.ApprovalRaised => ({
      id,
      state,
      ...(decision === undefined ? {} : { decision }),
    });
    api.route(
      {
        method: 'POST',
        path: '/api/machine/approvals',
        summary: '',
        body: wire.RaiseApproval,
        answer: wire.ApprovalRaised,
      },
      async ({ body }) => {
        const known = this.asked.get(body.ref) ?? this.#approval(body);
        this.asked.set(body.ref, known);
        return raised(known);
      },
    );
    api.route(
      {
        method: 'GET',
        path: '/api/machine/approvals/:ref',
        summary: '',
        params: z.object({ ref: z.string() }),
        answer: Approval,
      },
      async ({ params }) => {
        const known = this.asked.get(params.ref);
        if (known === undefined) throw new IntercomError('unknown_approval', 'Nothing was asked.', { next: 'Ask.' });
        return known;
      },
    );
    api.route(
      { method: 'POST', path: '/api/machine/approvals/close', summary: '', body: wire.CloseApproval, answer: wire.Ok },
      async ({ body }) => {
        const known = this.asked.get(body.ref);
        if (known?.state === 'pending') this.asked.set(body.ref, { ...known, state: body.outcome });
        return ok;
      },
    );
    api.route(
      {
        method: 'POST',
        path: '/api/machine/approvals/effect',
        summary: '',
        body: wire.ApprovalEffect,
        answer: wire.Ok,
      },
      async ({ body }) => {
        this.effects.push(body);
        return ok;
      },
    );
    api.route(
      {
        method: 'POST',
        path: '/api/machine/announcements',
        summary: '',
        body: wire.AnnounceRequest,
        answer: Announced,
      },
      async ({ body }) => {
        this.announced.push(body);
        return { id: newId('announcement'), listeners: 1 };
      },
    );
    api.route({ method: 'GET', path: '/api/machine/presence', summary: '', answer: Presence }, async () => ({
      operators: [{ operator: 'gilles', pages: 1, since: new Date(this.#clock.now()).toISOString() }],
    }));
  }

  #approval({ subject, expiresInSeconds }: wire.RaiseApproval): Approval {
    const now = this.#clock.now();
    return {
      id: newId('approval'),
      kind: subject.kind,
      state: 'pending',
      subject,
      shownHash: '0'.repeat(64),
      rule: 'built-in',
      scopes: ['once'],
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + expiresInSeconds * 1000).toISOString(),
    };
  }

  /** Each call is kept as it came; the answer is `mission`. */
  #missionCalls(api: Api<SignedBy>): void {
    const mission = (path: string): Mission => {
      this.missionCalls.push(path);
      if (this.mission === undefined)
        throw new IntercomError('unknown_mission', 'There is no such mission.', { next: 'See intercom_history.' });
      return this.mission;
    };
    const base = '/api/machine/missions';
    const about = { summary: '', params: z.object({ id: z.string() }), answer: Mission };
    api.route(
      { method: 'POST', path: base, summary: '', body: wire.StartMission, answer: Mission },
      async ({ body }) => {
        this.started.push(body);
        return mission('start');
      },
    );
    api.route(
      { method: 'GET', path: base, summary: '', query: z.record(z.string(), z.string()), answer: wire.MissionsPage },
      async ({ query }) => ({ missions: [mission(`list ${query.limit ?? ''}`)], more: false }),
    );
    api.route(
      { method: 'GET', path: `${base}/:id`, query: z.record(z.string(), z.string()), ...about },
      async ({ params, query }) => mission(`get ${params.id} ${query.wait ?? ''} ${query.unless ?? ''}`.trim()),
    );
    api.route(
      { method: 'POST', path: `${base}/:id/cancel`, body: wire.MissionWord, ...about },
      async ({ params, body }) => mission(`cancel ${params.id} ${body.reason ?? ''}`.trim()),
    );
  }

  #messages(api: Api<SignedBy>): void {
    api.route(
      {
        method: 'POST',
        path: '/api/machine/messages',
        summary: '',
        body: wire.SubmitRequest,
        answer: wire.SubmitResponse,
      },
      async ({ body, response }) => {
        this.batches.push(body.items.map(({ id }) => id));
        const results = body.items.map((item) => this.#take(item));
        if (this.losesAnswers > 0) {
          this.losesAnswers -= 1;
          response.destroy();
          this.#tell();
        }
        return { results };
      },
    );
    api.route(
      {
        method: 'POST',
        path: '/api/machine/receipts',
        summary: '',
        body: wire.ReceiptsRequest,
        answer: wire.ReceiptsResponse,
      },
      async ({ body }) => {
        this.receipts.push(...body.items);
        return { results: body.items.map(() => 'applied' as const) };
      },
    );
    api.route(
      { method: 'GET', path: '/api/machine/messages/:id', summary: '', params: IdParams, answer: Trace },
      async ({ params }) => this.#trace(params.id),
    );
    api.route(
      {
        method: 'POST',
        path: '/api/machine/messages/:id/cancel',
        summary: '',
        params: IdParams,
        body: wire.CancelRequest,
        answer: wire.MessageStatus,
      },
      async ({ params }) => {
        const item = this.#known(params.id);
        this.cancelled.push(item.id);
        return this.statusOf(item, { state: 'cancelled' });
      },
    );
  }

  #take(item: wire.SubmitItem): wire.SubmitResult {
    const refused = this.refuses.get(item.body);
    if (refused !== undefined) return { ok: false, error: refused };
    if (!this.taken.has(item.id)) this.taken.set(item.id, item);
    return { ok: true, status: this.statusOf(this.#known(item.id)) };
  }

  #known(id: string): wire.SubmitItem {
    const item = this.taken.get(id);
    if (item === undefined) throw new IntercomError('unknown_message', 'There is no such message.', { next: 'none' });
    return item;
  }

  #trace(id: string): z.infer<typeof Trace> {
    const item = this.#known(id);
    const { threadId, to, state, stateSince, place } = this.statusOf(item);
    const from = `${this.machineId}/${item.fromProject}`;
    return {
      message: {
        id,
        threadId,
        kind: item.kind,
        from,
        to,
        body: item.body,
        priority: item.priority,
        state,
        stateSince,
        place,
        createdAt: item.submittedAt,
        expiresAt: item.submittedAt,
      },
      steps: [],
      waitsFor: 'its machine',
      recipientAway: false,
    };
  }

  #tell(): void {
    const told = this.#waiting.filter(({ enough }) => enough());
    this.#waiting = this.#waiting.filter((one) => !told.includes(one));
    for (const { resolve } of told) resolve();
  }
}
