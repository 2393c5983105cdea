/** Whether a list of cards stands still, so that a button may be pressed. */
import { useEffect, useRef, useState } from 'preact/hooks';

/** After the list moved, buttons wait this long (ms), so that a finger on its way does not meet another card. */
const SETTLE = 350;

/** False for a moment after a card above another one has gone; a card that comes last moves nothing. */
export function useSettled(ids: readonly string[]): boolean {
  const before = useRef<readonly string[]>(ids);
  const [settled, setSettled] = useState(true);
  const moved = before.current.some((id, index) => ids[index] !== id) && ids.length > 0;
  const key = ids.join(' ');
  useEffect(() => {
    const changed = before.current.some((id, index) => ids[index] !== id) && ids.length > 0;
    before.current = ids;
    if (!changed) return;
    setSettled(false);
    const timer = setTimeout(() => setSettled(true), SETTLE);
    return () => {
      clearTimeout(timer);
      setSettled(true);
    };
  }, [key]);
  return settled && !moved;
}
