import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canMove,
  hasArrived,
  hasFailed,
  isEnded,
  MESSAGE_STATES,
  statesBefore,
  type MessageState,
} from '../../src/protocol/message-life.ts';

const state = fc.constantFrom(...MESSAGE_STATES);

/** All states that can still come. */
function reachable(from: MessageState): Set<MessageState> {
  const seen = new Set<MessageState>();
  const look = (at: MessageState): void => {
    for (const to of MESSAGE_STATES) {
      if (!canMove(at, to) || seen.has(to)) continue;
      seen.add(to);
      look(to);
    }
  };
  look(from);
  return seen;
}

describe("a message's life", () => {
  it('a state is never overstated backwards: what arrived stays arrived, what ended stays ended', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 30 }), (wishes) => {
        let at: MessageState = 'submitted';
        let arrived = false;
        let failed = false;
        for (const wish of wishes) {
          if (canMove(at, wish)) at = wish;
          expect(arrived && !hasArrived(at)).toBe(false);
          expect(failed && !hasFailed(at)).toBe(false);
          arrived ||= hasArrived(at);
          failed ||= hasFailed(at);
          expect(hasArrived(at) && hasFailed(at)).toBe(false);
        }
      }),
    );
  });

  it('nothing is delivered that was not let through', () => {
    for (const to of MESSAGE_STATES.filter(hasArrived)) {
      expect(statesBefore(to)).not.toContain('submitted');
      expect(statesBefore(to)).not.toContain('held');
    }
  });

  it('nothing that a person denied, or that ran out, can still arrive', () => {
    for (const end of MESSAGE_STATES.filter(hasFailed)) {
      expect(isEnded(end)).toBe(true);
      expect(reachable(end).size).toBe(0);
    }
  });

  it('every state can be reached, and an end from every one of them', () => {
    const all = reachable('submitted');
    for (const one of MESSAGE_STATES) {
      expect(one === 'submitted' || all.has(one)).toBe(true);
      expect([one, ...reachable(one)].some(isEnded)).toBe(true);
    }
  });

  it('statesBefore is canMove read backwards', () => {
    fc.assert(
      fc.property(state, state, (from, to) => {
        expect(statesBefore(to).includes(from)).toBe(canMove(from, to));
      }),
    );
  });
});
