/** One value that components can watch. Setting an equal value tells nobody. */
import { useLayoutEffect, useState } from 'preact/hooks';

export interface Store<T> {
  get(): T;
  set(value: T): void;
  update(change: (value: T) => T): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  const set = (next: T) => {
    if (Object.is(next, value)) return;
    value = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => value,
    set,
    update: (change) => set(change(value)),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

/** Calls `changed` after every change from `seen` on, also when the store has moved on since `seen` was read. */
export function watch<T>(store: Store<T>, seen: T, changed: () => void): () => void {
  const stop = store.subscribe(changed);
  if (!Object.is(seen, store.get())) changed();
  return stop;
}

/** The store's value; the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T {
  return useStoreBy(store, now);
}

/** The same, drawn when `schedule` says so: many changes until then are one. */
export function useStoreBy<T>(store: Store<T>, schedule: (draw: () => void) => void): T {
  const [, redraw] = useState({});
  const drawn = store.get();
  // Subscribing comes after drawing; what changed in between counts too.
  useLayoutEffect(() => {
    let planned = false;
    return watch(store, drawn, () => {
      if (planned) return;
      planned = true;
      schedule(() => {
        planned = false;
        redraw({});
      });
    });
  }, [store]);
  return drawn;
}

function now(draw: () => void): void {
  draw();
}
