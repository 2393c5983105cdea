/**
 * Keeps the hub's picture of this machine true: hello, heartbeats, changed projects and sessions.
 *
 * Invariants: one call under way at a time; hello goes out at start, whenever the hub's epoch changes or it asks for it, after a sleep of the
 * machine, and again until it is taken, for ever. Changes that come while a call is under way are sent together by the next one; a change is
 * forgotten only when the hub has taken it.
 */
import type { z } from 'zod';
import { isoTime, type CancelTimer, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { HEARTBEAT_SECONDS, HTTP_BODY_MAX, PROTOCOL_VERSION } from '../../protocol/limits.ts';
import { HeartbeatResponse, HelloResponse, Ok, type HelloRequest } from '../../protocol/machine-api.ts';
import { AgentOffer } from '../../protocol/mission.ts';
import { Project, Session } from '../../protocol/model.ts';
import type { MissionDesk, Projects, SessionBook, Unsubscribe } from '../ports.ts';
import type { DecisionDesk } from '../sessions/managed.ts';
import { CalmFlips } from './calm-flips.ts';
import type { HubClient } from './hub-client.ts';
import type { HubState } from './hub-state.ts';

/** Between tries while the hub does not answer: first, longest. */
const RETRY_FIRST_MS = 250;
const RETRY_LONGEST_MS = 5_000;
/** A hub that refuses this machine changes its mind only when a person does something. */
const REFUSED_RETRY_MS = 15_000;
/** The clocks are compared this often; a jump of more than JUMP_MS between them is a machine that slept, or a clock that was set. */
const JUMP_CHECK_MS = 5_000;
const JUMP_MS = 30_000;
/** The hub spares dialogs that were raised just before a hello, as it may have been under way already; those of a daemon that was killed are told as gone by a second one. */
const SECOND_HELLO_MS = 20_000;
/** At most 500 by the wire; few enough that they always fit. */
const SESSIONS_PER_CALL = 50;
/** Bytes of a list in one request, with room for the rest of the body. */
const LIST_BYTES = HTTP_BODY_MAX / 2 - 4096;

export interface MachineFacts {
  readonly displayName: string;
  readonly description: string;
}

export interface RegistrationOptions {
  readonly client: HubClient;
  readonly state: HubState;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly epoch: string;
  readonly daemonUrl: () => string;
  readonly machine: () => MachineFacts;
  readonly projects: Projects;
  readonly book: SessionBook;
  readonly outboxCount: () => number;
  readonly missions: Pick<MissionDesk, 'forHello' | 'offers'>;
  readonly dialogs: Pick<DecisionDesk, 'dialogs'>;
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #flips: CalmFlips;
  readonly #unsubscribe: Unsubscribe[] = [];
  #helloDue = true;
  #beatDue = false;
  #projectsDue = false;
  #hubEpoch: string | undefined;
  #running = false;
  #stopped = false;
  #failures = 0;
  #heartbeatSeconds = HEARTBEAT_SECONDS;
  #cancelNext: CancelTimer = () => undefined;
  #drift: number;
  #ended: (() => void)[] = [];
  #greeted = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#flips = new CalmFlips(options.clock, (session) => {
      this.#sessions.set(session.id, session);
      this.#kick();
    });
    this.#drift = this.#clockDrift();
  }

  start(): void {
    const { book, projects, clock, state } = this.#options;
    this.#unsubscribe.push(
      book.onChange((session) => this.#flips.put(session)),
      projects.onChange(() => {
        this.#projectsDue = true;
        this.#kick();
      }),
      state.onChange((name) => {
        // Somebody's call found the hub away: look for its return soon, not at the next heartbeat.
        if (name === 'unreachable') this.#soon();
      }),
      clock.every(JUMP_CHECK_MS, () => this.#lookForSleep()),
    );
    this.#kick();
  }

  /** The hub spoke to us: it is there now, and `epoch` says whether it is the one that we greeted. */
  heard(epoch?: string): void {
    if (epoch !== undefined && epoch !== this.#hubEpoch) this.#helloDue = true;
    if (this.#options.state.name === 'unreachable') this.#beatDue = true;
    if (this.#helloDue || this.#beatDue) this.#kick(true);
  }

  /** Something that only hello carries has changed. */
  greetAgain(): void {
    this.#helloDue = true;
    this.#kick(true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelNext();
    this.#flips.stop();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    if (this.#running) await new Promise<void>((resolve) => this.#ended.push(resolve));
  }

  /** `now`: also when a retry is being waited for. */
  #kick(now = false): void {
    if (this.#running || this.#stopped) return;
    if (this.#failures > 0 && !now) return;
    this.#cancelNext();
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      let more = true;
      while (more && !this.#stopped) more = await this.#step();
      this.#failures = 0;
      this.#next(this.#heartbeatSeconds * 1000);
    } catch (thrown) {
      this.#failures += 1;
      const error = toIntercomError(thrown);
      if (this.#failures === 1) this.#options.log.warn({ err: error }, 'the hub did not take news of this machine');
      this.#beatDue = true;
      this.#next(this.#retryMs());
    } finally {
      this.#running = false;
      // What changed while the last look went on must not wait for the next heartbeat.
      if (this.#failures === 0 && (this.#helloDue || this.#projectsDue || this.#sessions.size > 0)) this.#kick();
      for (const ended of this.#ended.splice(0)) ended();
    }
  }

  #soon(): void {
    if (this.#running || this.#failures > 0) return;
    this.#failures = 1;
    this.#next(this.#retryMs());
  }

  #next(ms: number): void {
    if (this.#stopped) return;
    this.#cancelNext();
    this.#cancelNext = this.#options.clock.after(ms, () => {
      this.#beatDue = true;
      this.#kick(true);
    });
  }

  #retryMs(): number {
    const { name } = this.#options.state;
    if (name === 'refused' || name === 'revoked') return REFUSED_RETRY_MS;
    return Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures - 1, 10));
  }

  /** One call, the most needed one. False: there is nothing to say. */
  async #step(): Promise<boolean> {
    if (this.#helloDue) await this.#hello();
    else if (this.#beatDue) await this.#heartbeat();
    else if (this.#projectsDue) await this.#pushProjects();
    else if (this.#sessions.size > 0) await this.#pushSessions();
    else return false;
    return true;
  }

  async #hello(): Promise<void> {
    const options = this.#options;
    this.#helloDue = false;
    // What changes from here on, while the hub takes this hello, is news of its own.
    this.#projectsDue = false;
    const told = new Map(this.#sessions);
    try {
      const answer = await options.client.call(
        { method: 'POST', path: '/api/machine/hello', body: await this.#helloBody() },
        HelloResponse,
      );
      this.#hubEpoch = answer.hubEpoch;
      this.#heartbeatSeconds = Math.min(Math.max(answer.heartbeatSeconds, 1), 300);
      this.#beatDue = false;
      this.#forget(told);
      options.state.greeted(answer.hubEpoch);
      if (!this.#greeted) this.#unsubscribe.push(options.clock.after(SECOND_HELLO_MS, () => this.greetAgain()));
      this.#greeted = true;
    } catch (error) {
      this.#helloDue = true;
      throw error;
    }
  }

  async #helloBody(): Promise<HelloRequest> {
    const options = this.#options;
    const machine = options.machine();
    return {
      protocol: PROTOCOL_VERSION,
      version: options.version,
      epoch: options.epoch,
      displayName: machine.displayName,
      description: machine.description,
      daemonUrl: options.daemonUrl(),
      projects: fitting(Project, options.projects.list(), 2000),
      sessions: fitting(
        Session,
        options.book.list().filter((session) => session.state !== 'ended'),
        2000,
      ),
      missions: await options.missions.forHello(),
      agents: fitting(AgentOffer, options.missions.offers(), 50),
      dialogs: options.dialogs.dialogs().slice(0, 2000),
    };
  }

  async #heartbeat(): Promise<void> {
    const { client, epoch, clock, outboxCount } = this.#options;
    const body = { epoch, time: isoTime(clock.now()), outbox: outboxCount() };
    const answer = await client.call({ method: 'POST', path: '/api/machine/heartbeat', body }, HeartbeatResponse);
    this.#beatDue = false;
    if (answer.resync || answer.hubEpoch !== this.#hubEpoch) this.#helloDue = true;
  }

  async #pushProjects(): Promise<void> {
    this.#projectsDue = false;
    try {
      const body = { projects: fitting(Project, this.#options.projects.list(), 2000) };
      await this.#options.client.call({ method: 'POST', path: '/api/machine/projects', body }, Ok);
    } catch (error) {
      this.#projectsDue = true;
      throw error;
    }
  }

  async #pushSessions(): Promise<void> {
    const told = new Map([...this.#sessions].slice(0, SESSIONS_PER_CALL));
    const sessions = fitting(Session, [...told.values()], SESSIONS_PER_CALL);
    if (sessions.length > 0) {
      await this.#options.client.call({ method: 'POST', path: '/api/machine/sessions', body: { sessions } }, Ok);
    }
    this.#forget(told);
  }

  /** What was told is news no more, unless it changed again meanwhile. */
  #forget(told: ReadonlyMap<string, Session>): void {
    for (const [id, session] of told) if (this.#sessions.get(id) === session) this.#sessions.delete(id);
  }

  #lookForSleep(): void {
    const drift = this.#clockDrift();
    const jumped = Math.abs(drift - this.#drift) > JUMP_MS;
    this.#drift = drift;
    if (!jumped) return;
    this.#options.log.info('the clocks jumped; this machine slept, or its clock was set');
    this.greetAgain();
  }

  #clockDrift(): number {
    return this.#options.clock.now() - this.#options.clock.monotonic();
  }
}

/** As many as fit into one request; one that the hub could not read must not keep it from reading the others. */
function fitting<T>(schema: z.ZodType<T>, list: readonly T[], max: number): T[] {
  let bytes = 0;
  const fits: T[] = [];
  for (const one of list) {
    if (!schema.safeParse(one).success) continue;
    bytes += Buffer.byteLength(JSON.stringify(one)) + 1;
    if (bytes > LIST_BYTES || fits.length === max) break;
    fits.push(one);
  }
  return fits;
}
