/**
 * Whether the hub can be reached, in one word and one sentence, worked out from what our calls to it came to.
 *
 * Invariants: `online` means that the hub took our hello in this run and the last exchange went through. A refusal of one request (an
 * unknown message) is an answer, not a state.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import type { ErrorCode, IntercomError } from '../../protocol/errors.ts';
import type { LocalStatus } from '../../protocol/local-api.ts';
import type { Unsubscribe } from '../ports.ts';

export type HubStateName = LocalStatus['hub']['state'];

const NO_ANSWER: ReadonlySet<ErrorCode> = new Set(['unreachable', 'timeout']);
/** The hub answers, but does not take this machine for what it is. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'unknown_machine',
  'bad_signature',
  'unsigned',
  'unauthorized',
  'clock_skew',
  'unsupported_version',
]);

export class HubState {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changes: Emitter<HubStateName>;
  readonly #greetings: Emitter<string>;
  #state: HubStateName;
  #problem: string | undefined;
  #since: number;
  #greeted = false;

  constructor(clock: Clock, log: Log, joined: boolean) {
    this.#clock = clock;
    this.#log = log;
    this.#changes = new Emitter((error) => log.error({ err: error }, 'a listener of the hub state failed'));
    this.#greetings = new Emitter((error) => log.error({ err: error }, 'a listener of greetings failed'));
    this.#state = joined ? 'unreachable' : 'not_joined';
    this.#problem = joined ? 'it has not been reached yet' : undefined;
    this.#since = clock.now();
  }

  get name(): HubStateName {
    return this.#state;
  }

  get online(): boolean {
    return this.#state === 'online';
  }

  /** For a person: what is wrong. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get since(): string {
    return isoTime(this.#since);
  }

  onChange(listener: (state: HubStateName) => void): Unsubscribe {
    return this.#changes.subscribe(listener);
  }

  /** Told with the epoch of the hub, each time that it took our hello. */
  onGreeted(listener: (epoch: string) => void): Unsubscribe {
    return this.#greetings.subscribe(listener);
  }

  /** The hub took our hello. */
  greeted(epoch: string): void {
    this.#greeted = true;
    this.#become('online', undefined);
    this.#greetings.emit(epoch);
  }

  /** The hub answered a signed call. */
  answered(): void {
    if (this.#greeted && this.#state !== 'revoked') this.#become('online', undefined);
  }

  /** A call failed. */
  failed(error: IntercomError): void {
    if (error.code === 'cancelled') return;
    if (error.code === 'revoked') this.revoked(error.message);
    else if (REFUSALS.has(error.code)) this.#become('refused', words(error));
    else if (NO_ANSWER.has(error.code)) this.#become('unreachable', words(error));
    else this.answered();
  }

  /** This machine is out of the mesh. Only a hello that is taken (after a new join) ends this. */
  revoked(problem: string): void {
    this.#greeted = false;
    this.#become('revoked', problem);
  }

  #become(state: HubStateName, problem: string | undefined): void {
    const before = this.#state;
    // Out of the mesh stays said, also while the hub that said it cannot be reached.
    if (before === 'revoked' && state === 'unreachable') return;
    this.#problem = problem;
    if (before === state) return;
    this.#state = state;
    this.#since = this.#clock.now();
    this.#log.info({ from: before, to: state, problem }, 'hub state');
    this.#changes.emit(state);
  }
}

function words(error: IntercomError): string {
  return error.next === undefined ? error.message : `${error.message} ${error.next}`;
}
