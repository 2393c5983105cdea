/** A choice of how things are shown, kept on this device where that is possible. */
import { createStore, type Store } from './store.ts';

export interface Choice<T extends string> {
  readonly store: Store<T>;
  choose(next: T): void;
}

export function createChoice<T extends string>(key: string, all: readonly [T, ...T[]]): Choice<T> {
  const store = createStore<T>(stored(key, all));
  return {
    store,
    choose(next) {
      store.set(next);
      try {
        localStorage.setItem(key, next);
      } catch {
        // Storage is off: the choice holds until the page is closed.
      }
    },
  };
}

function stored<T extends string>(key: string, all: readonly [T, ...T[]]): T {
  try {
    const text = localStorage.getItem(key);
    return all.find((name) => name === text) ?? all[0];
  } catch {
    return all[0];
  }
}
