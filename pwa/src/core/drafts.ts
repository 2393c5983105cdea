/** What a person has begun and not sent, by the place where they began it. It outlives redrawing, events and a change of screen, not the page. */
import { useState } from 'preact/hooks';

/** Drafts of one kind that are kept; the oldest goes first. */
const DRAFTS_MAX = 50;

export type Drafts<T> = Map<string, T>;

/** The draft of a place, how to change it, and how to forget it. */
export function useDraft<T>(
  drafts: Drafts<T>,
  place: string,
  initial: () => T,
): { readonly draft: T; readonly keep: (next: T) => void; readonly forget: () => void } {
  const [draft, setDraft] = useState<T>(() => drafts.get(place) ?? initial());
  return {
    draft,
    keep: (next) => {
      drafts.delete(place);
      drafts.set(place, next);
      for (const oldest of drafts.keys()) {
        if (drafts.size <= DRAFTS_MAX) break;
        drafts.delete(oldest);
      }
      setDraft(next);
    },
    forget: () => {
      drafts.delete(place);
      setDraft(initial());
    },
  };
}
