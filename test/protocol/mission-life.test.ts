/** The table of a mission's moves. */
import { describe, expect, it } from 'vitest';
import { MISSION_STATES, missionCanMove, missionIsLive, missionIsOver } from '../../src/protocol/mission-life.ts';

describe("a mission's life", () => {
  it('begins again only in the queue, and a denial is for ever', () => {
    for (const state of MISSION_STATES.filter((one) => missionIsOver(one) && one !== 'lost')) {
      const next = MISSION_STATES.filter((to) => missionCanMove(state, to));
      expect([state, next]).toEqual([state, state === 'denied' ? [] : ['queued']]);
    }
  });

  it('ends from everywhere: nothing is "running" for ever', () => {
    for (const state of MISSION_STATES.filter((one) => !missionIsOver(one))) {
      expect(missionCanMove(state, 'cancelled')).toBe(true);
      if (state !== 'awaiting_approval') expect(missionCanMove(state, 'lost')).toBe(true);
    }
  });

  it('never moves to where it is, nor to a state before a person decided', () => {
    for (const state of MISSION_STATES) {
      expect(missionCanMove(state, state)).toBe(false);
      if (state !== 'queued') expect(missionCanMove(state, 'awaiting_approval')).toBe(false);
      if (missionIsLive(state)) expect(missionIsOver(state)).toBe(false);
    }
  });
});
