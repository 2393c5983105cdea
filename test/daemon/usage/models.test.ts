import { describe, expect, it } from 'vitest';
import { costOf, windowOf, type PricedUse } from '../../../src/daemon/usage/models.ts';

const MILLION = 1_000_000;
const use = (fields: Partial<PricedUse>): PricedUse => ({
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  webSearches: 0,
  usOnly: false,
  fast: false,
  ...fields,
});

describe('what a request costs', () => {
  it.each([
    ['claude-opus-5-5', { input: MILLION, output: MILLION }, 24],
    ['claude-opus-5-5', { cacheRead: MILLION }, 0.2],
    ['claude-opus-4-8', { cacheWrite: MILLION }, 6.25],
    ['claude-opus-4-8', { cacheWrite: MILLION, cacheWrite1h: MILLION }, 10],
    ['claude-opus-4-1-20250805', { output: MILLION }, 75],
    ['claude-sonnet-4-5-20250929', { input: MILLION, usOnly: true }, 3.3],
    ['us.anthropic.claude-sonnet-4-20250514-v1:0', { input: MILLION }, 3],
    ['claude-haiku-5-5', { input: 100_000 }, 0.01],
    ['claude-haiku-5-5', { input: 100_001, output: 1 }, 0.050003],
    ['claude-opus-4-8[1m]', { webSearches: 3 }, 0.03],
    // The first request that 2.1.329 made of the scripted model, and what it said that it cost.
    ['claude-opus-5-5', { input: 10, output: 5 }, 0.00014],
    ['claude-opus-4-8', { input: 10, output: 5 }, 0.000175],
  ] as const)('%s %o: $%d', (model, fields, cost) => {
    expect(costOf(model, use(fields))).toBeCloseTo(cost, 9);
  });

  it.each(['claude-opus-5-1', 'claude-opus-9', 'gpt-9', '', 'claude-opus-4-15'])(
    '%s has no price that is known',
    (model) => {
      expect(costOf(model, use({ input: 1 }))).toBeUndefined();
    },
  );

  it('the fast kind has none either', () => {
    expect(costOf('claude-opus-5-5', use({ input: 1, fast: true }))).toBeUndefined();
  });
});

describe('how much fits', () => {
  it.each([
    ['claude-opus-5-5', 0, 1_000_000],
    ['claude-haiku-4-5-20251001', 0, 200_000],
    ['claude-sonnet-4-6', 0, 200_000],
    ['claude-sonnet-4-6', 250_000, 1_000_000],
    ['claude-sonnet-4-6[1m]', 0, 1_000_000],
    ['claude-something-new', 0, 200_000],
    ['gpt-5-codex', 0, undefined],
    ['another', 10, undefined],
    [undefined, 10, undefined],
  ])('%s, asked %d: %s', (model, asked, window) => {
    expect(windowOf(model, asked)).toBe(window);
  });
});
