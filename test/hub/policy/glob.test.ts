import fc from 'fast-check';
import micromatch from 'micromatch';
import { describe, expect, it } from 'vitest';
import { globMatchesAddress, parseGlob, type Glob } from '../../../src/hub/approvals/policy-glob.ts';
import { parseAddress } from '../../../src/protocol/address.ts';

function glob(source: string): Glob {
  const parsed = parseGlob(source);
  if ('fault' in parsed) throw new Error(parsed.fault);
  return parsed.glob;
}

describe('address patterns', () => {
  it.each([
    ['laptop/api', 'laptop/api', true],
    ['laptop/api', 'laptop/api2', false],
    ['laptop/*', 'laptop/api', true],
    ['laptop/*', 'laptop/team/api', false],
    ['laptop/**', 'laptop/team/api', true],
    ['laptop/**', 'laptop2/api', false],
    ['*/api', 'vps/api', true],
    ['*/api', 'vps/team/api', false],
    ['**/api', 'vps/team/api', true],
    ['**/api', 'vps/api', true],
    ['**/api', 'vps/api2', false],
    ['vps/**/api', 'vps/api', true],
    ['vps/**/api', 'vps/a/b/api', true],
    ['vps/*-api', 'vps/web-api', true],
    ['vps/a?c', 'vps/abc', true],
    ['vps/a?c', 'vps/ac', false],
    ['vps/[a-c]x', 'vps/bx', true],
    ['vps/[!a-c]x', 'vps/bx', false],
    ['{vps,laptop}/api', 'laptop/api', true],
    ['{vps,laptop}/api', 'server/api', false],
    ['vps/a.b', 'vps/axb', false],
    ['vps/(a+)+', 'vps/aaa', false],
    ['*', 'laptop/team/api', true],
    ['**', 'laptop/team/api', true],
    ['*', 'human', true],
    ['**', 'human:ada', true],
    ['human', 'human', true],
    ['human', 'human:ada', true],
    ['human:*', 'human:ada', true],
    ['human:*', 'human', true],
    ['human:ada', 'human:ada', true],
    ['human:ada', 'human:bob', false],
    ['human:ada', 'human', false],
    ['*/*', 'human', false],
    ['laptop/api', 'laptop/api#session1', true],
    ['laptop/api#sess*', 'laptop/api#session1', true],
    ['laptop/api#sess*', 'laptop/api', false],
    ['laptop/.hidden', 'laptop/.hidden', true],
    ['laptop/*', 'laptop/.hidden', true],
  ])('%s against %s: %s', (pattern, address, expected) => {
    expect(globMatchesAddress(glob(pattern), parseAddress(address))).toBe(expected);
  });

  it.each([[''], ['a b'], ['a/{b'], ['a/b}'], ['a/[b'], ['{a,b}'.repeat(7)], ['x'.repeat(301)]])(
    'refuses the pattern %s in words',
    (source) => {
      const parsed = parseGlob(source);
      expect('fault' in parsed ? parsed.fault : '').toMatch(/\w+ \w+/);
    },
  );

  it('agrees with micromatch on every pattern of stars, letters and slashes', () => {
    const part = fc.constantFrom('a', 'b', 'ab', '*', '**', '*a', 'b*', 'a*b', '?', '?b');
    // After a star micromatch wants one segment for a closing `**`, after a letter none; here `**` is any number everywhere.
    const patterns = fc
      .array(part, { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join('/'))
      .filter((pattern) => !/[*?]\/\*\*/.test(pattern));
    const texts = fc
      .array(fc.constantFrom('a', 'b', 'ab', 'aab', 'abb', 'ba'), { minLength: 2, maxLength: 6 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        const expected = micromatch.isMatch(text, pattern, {
          dot: true,
          nobrace: true,
          noextglob: true,
          nonegate: true,
        });
        expect(glob(pattern).matches(text)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('takes work in proportion to pattern and text, whatever a project is called', () => {
    // A backtracking matcher needs longer than the age of the universe for either of these.
    expect(glob(`m/${'a*'.repeat(100)}b`).matches(`m/${'a'.repeat(198)}`)).toBe(false);
    expect(glob(`${'**/a/'.repeat(30)}b`).matches(`m/${'a/'.repeat(99)}a`)).toBe(false);
  });
});
