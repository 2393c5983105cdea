/** The words of attention on the wire, where a schema could say more than it was given. */
import { describe, expect, it } from 'vitest';
import { Preferences, PreferencesPatch } from '../../src/protocol/attention.ts';

describe('a change of preferences', () => {
  it('says nothing of what it does not name, so that a mute does not take the channels away', () => {
    expect(PreferencesPatch.parse({ muteUntil: null })).toEqual({ muteUntil: null });
    expect(PreferencesPatch.parse({})).toEqual({});
    expect(Preferences.parse({})).toEqual({ channels: {}, mutes: [], digestMinutes: 0 });
  });
});
