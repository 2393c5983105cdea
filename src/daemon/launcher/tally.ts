/** What is known of an agent's turns from its events so far. Fed with every event of a run, also those that are read again; pure. */
import type { MissionState } from '../../protocol/mission-life.ts';
import type { AgentEvent } from '../agents/program.ts';

type TurnEnded = Extract<AgentEvent, { kind: 'turn_ended' }>;

export class Tally {
  /** The turn that ended last, unless another began since. */
  last: TurnEnded | undefined;
  /** The provider refuses, since nothing of the agent's own came after. */
  limited: { readonly resetAt: string | undefined } | undefined;
  /** Turns as the agent counts them, else those that ended. */
  turns = 0;
  /** It told anything at all; of some programs only the end is known. */
  told = false;
  costUsd = 0;
  #ended = 0;

  feed(event: AgentEvent): void {
    if (event.kind !== 'ended') this.told = true;
    switch (event.kind) {
      case 'turn_started':
        this.last = undefined;
        this.limited = undefined;
        return;
      case 'text':
      case 'tool':
      case 'tool_done':
        this.limited = undefined;
        return;
      case 'rate_limited':
        this.limited = { resetAt: event.resetAt };
        return;
      case 'turn_ended':
        this.last = event;
        if (!event.isError) this.limited = undefined;
        this.#ended += 1;
        this.turns = Math.max(this.turns, event.turns ?? 0, this.#ended);
        this.costUsd = Math.max(this.costUsd, event.costUsd ?? 0);
        return;
      case 'session':
      case 'waiting':
      case 'ended':
        return;
    }
  }

  /** The agent's work is done as far as it says itself. */
  get isDone(): boolean {
    return this.last !== undefined && !this.last.background && this.limited === undefined;
  }
}

export interface Moved {
  readonly to: MissionState;
  readonly reason: string | undefined;
}

/** Where these events leave a run that was in `from`; undefined: it stays where it is. */
export function movedBy(from: MissionState, events: readonly AgentEvent[]): Moved | undefined {
  let moved: Moved | undefined;
  for (const event of events) {
    const now = moved?.to ?? from;
    if (event.kind === 'waiting') moved = { to: 'waiting_human', reason: event.for };
    else if (event.kind === 'rate_limited') moved = { to: 'rate_limited', reason: event.text };
    else if (event.kind === 'turn_ended' && event.isError && now === 'rate_limited') continue;
    else if (event.kind !== 'session' && event.kind !== 'ended' && now !== 'running') {
      moved = { to: 'running', reason: undefined };
    }
  }
  return moved;
}
