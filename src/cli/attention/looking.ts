/**
 * Whether a person looks at this terminal, as the hub is told: from the start and from each key on, until there was none for a while or the program is stopped.
 * Nothing rings for what is on a screen that is looked at.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { ClientFrame } from '../../protocol/events.ts';

export const IDLE_MS = 3 * 60_000;

export class Looking {
  readonly #clock: Clock;
  #looking = true;
  #say: (frame: ClientFrame) => void = () => undefined;
  #cancel: CancelTimer;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#cancel = this.#later();
  }

  /** A connection is there; it is told how things are. */
  connected(say: (frame: ClientFrame) => void): void {
    this.#say = say;
    this.#tell();
  }

  key(): void {
    this.#cancel();
    this.#cancel = this.#later();
    this.#set(true);
  }

  away(): void {
    this.#cancel();
    this.#set(false);
  }

  #later(): CancelTimer {
    return this.#clock.after(IDLE_MS, () => this.#set(false));
  }

  #set(looking: boolean): void {
    if (looking === this.#looking) return;
    this.#looking = looking;
    this.#tell();
  }

  #tell(): void {
    this.#say({ frame: 'looking', looking: this.#looking });
  }
}
