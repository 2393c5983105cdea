/**
 * The newest status known of each message that was sent from this machine, and who waits for news of it.
 *
 * Invariants: news only ever replaces older news; what is remembered in memory is bounded, the store (and the hub) know the rest.
 */
import type { Clock } from '../../platform/clock.ts';
import { Waiters } from '../../platform/waiters.ts';
import type { MessageStatus } from '../../protocol/machine-api.ts';
import { isEnded, MESSAGE_STATES, type MessageState } from '../../protocol/message-life.ts';

const REMEMBERED_MAX = 5_000;

export class StatusDesk {
  readonly #machineId: string;
  readonly #clock: Clock;
  readonly #waiters: Waiters<MessageStatus>;
  readonly #known = new Map<string, MessageStatus>();

  constructor(machineId: string, clock: Clock) {
    this.#machineId = machineId;
    this.#clock = clock;
    this.#waiters = new Waiters(clock);
  }

  /**
   * Takes news in; older than what is known, it changes nothing. Returns the newest. `id`: under which its sender knows it, when the hub
   * had the same message before under another.
   */
  note(status: MessageStatus, id = status.id): MessageStatus {
    const known = this.#known.get(id);
    if (known !== undefined && !this.#isNews(known, status)) return known;
    // The same moment told by another way: each may know something that the other leaves out.
    const same = known?.state === status.state && known.stateSince === status.stateSince;
    const newest = same ? { ...known, ...status } : status;
    this.#known.delete(id);
    this.#known.set(id, newest);
    if (this.#known.size > REMEMBERED_MAX) {
      const oldest = this.#known.keys().next().value;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#waiters.tell(id, newest);
    return newest;
  }

  peek(id: string): MessageStatus | undefined {
    return this.#known.get(id);
  }

  /** The first status whose state is not in `unless`, or the newest one when the time is over. */
  async until(
    id: string,
    start: MessageStatus,
    wait: { readonly unless: readonly MessageState[]; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<MessageStatus> {
    const deadline = this.#clock.monotonic() + wait.waitMs;
    let status = this.note(start, id);
    while (wait.unless.includes(status.state)) {
      const told = await this.#waiters.next(id, deadline - this.#clock.monotonic(), wait.signal);
      if (told === undefined) return this.peek(id) ?? status;
      status = told;
    }
    return status;
  }

  // What the hub says goes over what we told ourselves while it was away; its own news are in the order of its clock.
  #isNews(known: MessageStatus, status: MessageStatus): boolean {
    const fromHub = status.place !== this.#machineId || status.state !== 'submitted';
    const knownFromHub = known.place !== this.#machineId || known.state !== 'submitted';
    if (fromHub !== knownFromHub) return fromHub;
    if (isEnded(known.state) && known.state !== status.state) return false;
    if (known.stateSince !== status.stateSince) return known.stateSince < status.stateSince;
    if (known.state !== status.state) return rank(known.state) < rank(status.state);
    return status.answer !== undefined || known.answer === undefined;
  }
}

function rank(state: MessageState): number {
  return MESSAGE_STATES.indexOf(state);
}
