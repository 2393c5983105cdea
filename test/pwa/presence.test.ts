/** Whether a person looks at the page: shown, and touched not long ago. With a clock that the test holds. */
import { describe, expect, it } from 'vitest';
import { ATTENTIVE, Presence } from '../../pwa/src/core/presence.ts';
import { TestTimers } from './support/timers.ts';

function setUp() {
  const timers = new TestTimers();
  const world = { hidden: false };
  const told: boolean[] = [];
  const presence = new Presence({
    timers,
    hidden: () => world.hidden,
    changed: (looking) => told.push(looking),
  });
  const hide = (hidden: boolean) => {
    world.hidden = hidden;
    presence.visibilityChanged();
  };
  return { timers, told, presence, hide };
}

describe('a person looks at the page', () => {
  it('who opened it, for as long as they touch it now and then', () => {
    const { timers, told, presence } = setUp();
    timers.pass(ATTENTIVE - 1);
    presence.touched();
    timers.pass(ATTENTIVE - 1);
    expect(presence.looking()).toBe(true);
    timers.pass(1);
    expect(presence.looking()).toBe(false);
    expect(told).toEqual([true, false]);
  });

  it('no more when it was left open on a desk, so that the phone may ring; again at the first touch', () => {
    const { timers, told, presence } = setUp();
    timers.pass(ATTENTIVE * 4);
    presence.touched();
    presence.touched();
    expect(told).toEqual([true, false, true]);
  });

  it('not while the page is hidden, whatever moves; at once when it comes to the front', () => {
    const { timers, told, presence, hide } = setUp();
    hide(true);
    presence.touched();
    timers.pass(ATTENTIVE * 2);
    hide(false);
    expect(told).toEqual([true, false, true]);
  });
});
