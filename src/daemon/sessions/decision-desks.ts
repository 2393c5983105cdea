/** The desks that wait for people's decisions, as one: what a decision is about is told by its `ref`. */
import type { DeliverDecision } from '../../protocol/daemon-api.ts';
import type { DecisionDesk } from './managed.ts';

/** A desk that knows its own refs by how they begin. */
export interface NamedDesk extends DecisionDesk {
  owns(ref: string): boolean;
}

export class DecisionDesks implements DecisionDesk {
  readonly #named: readonly NamedDesk[];
  readonly #others: DecisionDesk;

  /** `others` has the refs that none of `named` owns. */
  constructor(named: readonly NamedDesk[], others: DecisionDesk) {
    this.#named = named;
    this.#others = others;
  }

  decided(item: DeliverDecision): void {
    const desk = this.#named.find((one) => one.owns(item.ref)) ?? this.#others;
    desk.decided(item);
  }

  dialogs(): readonly string[] {
    return [...this.#named, this.#others].flatMap((desk) => desk.dialogs());
  }
}
