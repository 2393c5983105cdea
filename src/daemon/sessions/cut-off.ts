/** Hand-outs that a crash left without proof, put together again from what the store holds. Pure. */
import type { InboxEntry } from '../ports.ts';

export interface CutOff {
  readonly id: string;
  readonly first: InboxEntry;
  readonly entries: readonly InboxEntry[];
}

export function cutOffHandOuts(entries: readonly InboxEntry[]): CutOff[] {
  const groups = new Map<string, InboxEntry[]>();
  for (const entry of entries) {
    if (entry.state !== 'written' && entry.state !== 'held_at_terminal') continue;
    const key = entry.offer ?? entry.message.id;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups].flatMap(([id, group]) => {
    const [first] = group;
    return first === undefined ? [] : { id, first, entries: group };
  });
}
