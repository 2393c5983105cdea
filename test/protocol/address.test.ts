import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADDRESS_MAX,
  AddressText,
  agentOf,
  formatAddress,
  isMachineId,
  isOperatorName,
  isProjectId,
  isSessionId,
  parseAddress,
  type Address,
} from '../../src/protocol/address.ts';
import { IntercomError } from '../../src/protocol/errors.ts';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const machine = name.filter(isMachineId);
const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => isProjectId(text) && !text.includes('/'));
const project = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter(isProjectId);
const session = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$/);
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.constant<Address>({ kind: 'human' }),
  name.map((who): Address => ({ kind: 'human', name: who })),
  fc.tuple(machine, project).map(([m, p]): Address => ({ kind: 'agent', machine: m, project: p })),
  fc
    .tuple(machine, project, session)
    .map(([m, p, s]): Address => ({ kind: 'agent', machine: m, project: p, session: s })),
);

describe('addresses', () => {
  it('parse(format(a)) is a, and format(parse(t)) is t', () => {
    fc.assert(
      fc.property(address, (given) => {
        const text = formatAddress(given);
        fc.pre(text.length <= ADDRESS_MAX);
        expect(parseAddress(text)).toEqual(given);
        expect(formatAddress(parseAddress(text))).toBe(text);
        expect(AddressText.safeParse(text).success).toBe(true);
      }),
    );
  });

  it('any text is an address in canonical form or refused in words', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webPath(), fc.stringMatching(/^[ah/#.:u]{0,12}$/)),
        (text) => {
          try {
            expect(formatAddress(parseAddress(text))).toBe(text);
          } catch (error) {
            if (!(error instanceof IntercomError)) throw error;
            expect(error.code).toBe('invalid_address');
            expect(error.next).toContain('machine/project');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['human/project', false],
    ['HUB/project', false],
    ['intercom/project', false],
    ['humans/project', true],
    ['laptop', false],
    ['laptop/', false],
    ['/project', false],
    ['laptop//project', false],
    ['laptop/a/../b', false],
    ['laptop/./a', false],
    ['laptop/a b', false],
    ['laptop/a\tb', false],
    ['laptop/a\u202eb', false],
    ['laptop/a\u200bb', false],
    ['laptop/a\\b', false],
    ['laptop/a*', false],
    ['laptop/größe/日本', true],
    ['laptop/team/api', true],
    ['laptop/.config', true],
    ['laptop/api#abc', false],
    ['laptop/api#abcd', true],
    ['laptop/api#', false],
    ['laptop/api#abcd#efgh', false],
    ['human:', false],
    ['human:ada', true],
    ['human:a/b', false],
    [`laptop/${'a'.repeat(500)}`, false],
    ['-laptop/api', false],
  ])('%j: %s', (text, valid) => {
    expect(AddressText.safeParse(text).success).toBe(valid);
  });

  it('the agent of a session has no session', () => {
    expect(formatAddress(agentOf({ kind: 'agent', machine: 'm', project: 'p', session: 'abcd' }))).toBe('m/p');
  });

  it('an id is never two kinds of text at once', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (isMachineId(text) || isSessionId(text) || isOperatorName(text)) expect(text).not.toMatch(/[/#\s:]/);
      }),
    );
  });
});
