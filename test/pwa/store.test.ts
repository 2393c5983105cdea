/** The value that components watch. */
import { describe, expect, it } from 'vitest';
import { createStore, watch } from '../../pwa/src/core/store.ts';

describe('a store', () => {
  it('tells its listeners of changes, and of nothing else', () => {
    const store = createStore(1);
    const heard: number[] = [];
    const stop = watch(store, store.get(), () => heard.push(store.get()));
    store.set(1);
    store.set(2);
    store.update((value) => value + 1);
    stop();
    store.set(9);
    expect(heard).toEqual([2, 3]);
  });

  it('does not lose a change between the drawing and the watching', () => {
    const store = createStore('off');
    const drawn = store.get();
    store.set('live');
    let redrawn = 0;
    watch(store, drawn, () => {
      redrawn += 1;
    });
    expect(redrawn).toBe(1);
  });

  it('bears listeners that leave while it tells', () => {
    const store = createStore(0);
    const heard: string[] = [];
    const stop = store.subscribe(() => {
      heard.push('first');
      stop();
    });
    store.subscribe(() => heard.push('second'));
    store.set(1);
    store.set(2);
    expect(heard).toEqual(['first', 'second', 'second']);
  });
});
