/** How a run ends, by what is known of it at its end: what was decided, what somebody wished, what the agent said, how its process went. Pure. */
import { RunnerRecord } from '../../protocol/runner-api.ts';
import type { Ending, StopWish } from '../store/mission-rows.ts';
import { endingOf, endWords } from './results.ts';
import type { Tally } from './tally.ts';

type Exit = RunnerRecord['exit'];

/** By the agent's own word. */
export function outcomeOf({ last }: Tally, exit?: Exit): Ending {
  if (last?.isError !== true) return { state: 'completed' };
  const text = last.text.trim().slice(0, 900);
  if (text !== '') return { state: 'failed', reason: `The agent reported an error: ${text}` };
  return {
    state: 'failed',
    reason: exit === undefined ? 'The agent reported an error without words.' : endWords(exit),
  };
}

export interface KnownAtEnd {
  readonly decided: Ending | undefined;
  readonly stop: StopWish | undefined;
  readonly tally: Tally;
  readonly exit: Exit;
}

/** Its process is gone. */
export function endingAt({ decided, stop, tally, exit }: KnownAtEnd): Ending {
  if (decided !== undefined) return decided;
  if (stop !== undefined) return endingOf(stop);
  if (tally.isDone) return outcomeOf(tally, exit);
  // Of such a program nothing but its end can be known.
  if (!tally.told && exit?.code === 0) return { state: 'completed' };
  if (exit === undefined) return { state: 'failed', reason: 'The agent ended before its work was done.' };
  return { state: 'failed', reason: endWords(exit) };
}

/** Its runner is gone, and the agent after it: what is not known of it is lost. */
export function endingWithoutRunner(known: KnownAtEnd): Ending | { readonly state: 'lost'; readonly reason: string } {
  const { exit, decided, stop, tally } = known;
  if (exit !== undefined || decided !== undefined || stop !== undefined || tally.isDone) return endingAt(known);
  const reason =
    'The process that watched over the agent was killed, and the agent was ended after it; nobody saw how far it came. Resume it to go on.';
  return { state: 'lost', reason };
}

export function parsedExit(text: string): NonNullable<Exit> {
  const schema = RunnerRecord.shape.exit.unwrap();
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return { at: new Date(0).toISOString(), stderr: '' };
  }
}
