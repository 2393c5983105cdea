/**
 * The hub's side of a daemon: a real HTTP server that checks the hub's signature and the schema of every batch, keeps what it got once, and can be
 * told to refuse, to lose an answer, or to be away.
 */
import { Api, finishApp, newApp } from '../../src/platform/http/api.ts';
import { listen, type Listening } from '../../src/platform/http/server.ts';
import { signedBy } from '../../src/platform/http/signed.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import {
  DeliverRequest,
  DeliverResponse,
  PingResponse,
  RotateRequest,
  type DeliverItem,
  type DeliverMessage,
  type DeliverMission,
} from '../../src/protocol/daemon-api.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import { Ok } from '../../src/protocol/machine-api.ts';
import { openRotation } from '../../src/protocol/sealing.ts';
import { HUB_SIGNER } from '../../src/protocol/signing.ts';

export class FakeDaemon {
  readonly machineId: string;
  secret: string;
  /** Everything that was stored, in order. */
  readonly stored: DeliverItem[] = [];
  /** Ids of messages and missions that it will never take. */
  readonly refuses = new Map<string, string>();
  batches = 0;
  /** Requests to deliver, refused ones included. */
  attempts = 0;
  revoked = false;
  pings = 0;
  /** Answers that get lost after the batch was stored. */
  losesAnswers = 0;
  /** The whole batch is refused as invalid while one of these is in it. */
  readonly poison = new Set<string>();
  #away = false;
  #server: Listening | undefined;
  readonly #seen = new Set<number>();
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(machineId: string, secret: string) {
    this.machineId = machineId;
    this.secret = secret;
  }

  static async start(machineId: string, secret: string, clock: Clock): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(machineId, secret);
    const api = new Api(
      signedBy((machine) => {
        if (machine !== HUB_SIGNER) throw new IntercomError('unknown_machine', 'not the hub', { next: 'none' });
        return [daemon.secret];
      }, clock),
    );
    api.route(
      { method: 'POST', path: '/api/hub/deliver', summary: '', body: DeliverRequest, answer: DeliverResponse },
      async ({ body }) => daemon.#deliver(body),
    );
    api.route(
      { method: 'POST', path: '/api/hub/rotate', summary: '', body: RotateRequest, answer: Ok },
      async ({ body }) => {
        daemon.#checkThere();
        daemon.secret = openRotation(daemon.secret, body);
        if (daemon.losesAnswers > 0) {
          daemon.losesAnswers -= 1;
          throw new IntercomError('unreachable', 'the answer was lost', { next: 'none' });
        }
        return { ok: true } as const;
      },
    );
    api.route({ method: 'POST', path: '/api/hub/revoked', summary: '', answer: Ok }, async () => {
      daemon.revoked = true;
      daemon.#tell();
      return { ok: true } as const;
    });
    api.route({ method: 'GET', path: '/api/hub/ping', summary: '', answer: PingResponse }, async () => {
      daemon.pings += 1;
      daemon.#checkThere();
      return { machineId, epoch: 'e', version: '0', time: new Date(clock.now()).toISOString() };
    });
    const app = newApp();
    app.use(api.router);
    finishApp(app, silentLog());
    daemon.#server = await listen({ host: '127.0.0.1', port: 0 }, app);
    return daemon;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server?.port ?? 0}`;
  }

  get missions(): DeliverMission[] {
    return this.stored.filter((item) => item.item === 'mission');
  }

  get messages(): DeliverMessage[] {
    return this.stored.filter((item) => item.item === 'message');
  }

  /** Nothing gets through until it is back. */
  away(): void {
    this.#away = true;
  }

  back(): void {
    this.#away = false;
  }

  /** Resolves when it is true of what was stored. */
  until(enough: () => boolean): Promise<void> {
    if (enough()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ enough, resolve }));
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #checkThere(): void {
    if (this.#away) throw new IntercomError('unreachable', 'it sleeps', { next: 'none' });
  }

  #deliver(request: DeliverRequest): DeliverResponse {
    this.attempts += 1;
    this.#tell();
    this.#checkThere();
    const poisoned = request.items.find(({ body }) => body.item === 'message' && this.poison.has(body.id));
    if (poisoned !== undefined)
      throw new IntercomError('invalid_request', 'an item is not understood', { next: 'none' });
    this.batches += 1;
    const results = request.items.map(({ seq, body }) => {
      const id = body.item === 'message' ? body.id : body.item === 'mission' ? body.missionId : '';
      const refusal = this.refuses.get(id);
      if (refusal !== undefined) return { seq, result: 'refused' as const, reason: refusal };
      if (this.#seen.has(seq)) return { seq, result: 'known' as const };
      this.#seen.add(seq);
      this.stored.push(body);
      return { seq, result: 'stored' as const };
    });
    this.#tell();
    if (this.losesAnswers > 0) {
      this.losesAnswers -= 1;
      throw new IntercomError('unreachable', 'the answer was lost', { next: 'none' });
    }
    return { results };
  }

  #tell(): void {
    const done = this.#waiting.filter(({ enough }) => enough());
    this.#waiting = this.#waiting.filter((waiting) => !done.includes(waiting));
    for (const { resolve } of done) resolve();
  }
}
