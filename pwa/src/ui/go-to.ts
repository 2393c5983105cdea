/** Brings a card or a row to the eye and the keyboard. */
import { useEffect, useRef } from 'preact/hooks';

/** A card that is named in a link may come a moment after the page, when the line has caught up; later nobody expects to be moved, ms. */
const PATIENCE = 10_000;

/** False when nothing with this id is there. */
export function goToPlace(id: string): boolean {
  const place = document.getElementById(id);
  if (place === null) return false;
  place.scrollIntoView({ block: 'start', behavior: 'smooth' });
  place.focus({ preventScroll: true });
  return true;
}

/** Goes once to the place that the route names, as soon as it is there. `find`: the id of the place, as far as it is known by now. */
export function useGoTo(named: string | undefined, find: (named: string) => string | undefined): void {
  const wanted = useRef<{ readonly named: string; readonly until: number } | undefined>(undefined);
  useEffect(() => {
    wanted.current = named === undefined ? undefined : { named, until: Date.now() + PATIENCE };
  }, [named]);
  useEffect(() => {
    const now = wanted.current;
    if (now === undefined) return;
    const id = find(now.named);
    if (Date.now() > now.until || (id !== undefined && goToPlace(id))) wanted.current = undefined;
  });
}
