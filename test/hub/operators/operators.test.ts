import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OperatorConfig } from '../../../src/config/config.ts';
import { ConfiguredOperators } from '../../../src/hub/operators/operators.ts';
import { hubParts, OWNER, VIEWER, type HubParts } from '../../support/hub-parts.ts';

const DAY = 24 * 3600_000;
const CONFIGURED: OperatorConfig[] = [
  { name: 'ada', role: 'owner', telegramUserId: 11 },
  { name: 'bob', role: 'operator' },
  { name: 'eve', role: 'viewer', telegramUserId: 33 },
];

let parts: HubParts;
beforeEach(async () => {
  parts = await hubParts();
});
afterEach(() => parts.close());

function operatorsOf(configured = CONFIGURED): ConfiguredOperators {
  return new ConfiguredOperators({
    store: parts.store,
    clock: parts.clock,
    operators: configured,
    baseUrl: (via) => (via === 'telegram' ? 'http://100.64.0.1:7700' : 'http://127.0.0.1:7700'),
  });
}

async function dump(): Promise<string> {
  const rows = await parts.store.read(async (db) => [
    await db.selectFrom('sign_in_codes').selectAll().execute(),
    await db.selectFrom('tokens').selectAll().execute(),
  ]);
  return JSON.stringify(rows);
}

describe('operators', () => {
  it('are those of the configuration; an unknown Telegram user is nobody', async () => {
    const operators = operatorsOf();
    expect(await operators.list()).toHaveLength(3);
    expect(operators.byTelegramId(33)).toEqual({ name: 'eve', role: 'viewer' });
    expect(operators.byTelegramId(12)).toBeUndefined();
    expect(operators.firstOwner).toEqual({ name: 'ada', role: 'owner' });
  });

  it('sign in once with a link whose code is in the fragment and nowhere in the store', async () => {
    const operators = operatorsOf();
    const link = await operators.signInLink({ ...OWNER, via: 'telegram' });
    expect(link.url).toBe(`http://100.64.0.1:7700/#/sign-in/${link.code}`);
    expect(await dump()).not.toContain(link.code);
    const { token, operator } = await operators.redeem(link.code, 'web');
    expect(operator.name).toBe('ada');
    expect(await dump()).not.toContain(token);
    expect(await operators.authenticate(token, 'web')).toEqual({ name: 'ada', role: 'owner' });
    await expect(operators.redeem(link.code, 'web')).rejects.toThrow('used already');
  });

  it('two who spend one code at the same time: one gets in', async () => {
    const operators = operatorsOf();
    const { code } = await operators.signInLink(OWNER);
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => operators.redeem(code, 'web')));
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });

  it('a code ends after ten minutes, an unknown one is refused', async () => {
    const operators = operatorsOf();
    const { code } = await operators.signInLink(OWNER);
    parts.clock.advance(10 * 60_000);
    await expect(operators.redeem(code, 'web')).rejects.toThrow('expired');
    await expect(operators.redeem('AAAAAAAAAAAAAAAAAAAA', 'web')).rejects.toThrow('not known');
  });

  it('a web session ends 30 days after its last use, and does not work as a terminal token', async () => {
    const operators = operatorsOf();
    const { token } = await operators.redeem((await operators.signInLink(OWNER)).code, 'web');
    expect(await operators.authenticate(token, 'terminal')).toBeUndefined();
    for (let i = 0; i < 3; i += 1) {
      parts.clock.advance(29 * DAY);
      expect(await operators.authenticate(token, 'web')).toBeDefined();
    }
    parts.clock.advance(30 * DAY + 1);
    expect(await operators.authenticate(token, 'web')).toBeUndefined();
  });

  it('signing out ends it at once', async () => {
    const operators = operatorsOf();
    const { token } = await operators.redeem((await operators.signInLink(OWNER)).code, 'terminal');
    await operators.signOut(token);
    expect(await operators.authenticate(token, 'terminal')).toBeUndefined();
  });

  it('who left the configuration is nobody, and a changed role holds for old sessions', async () => {
    const before = operatorsOf();
    const ada = await before.redeem((await before.signInLink(OWNER)).code, 'web');
    const eve = await before.redeem((await before.signInLink(VIEWER)).code, 'web');
    const after = operatorsOf([{ name: 'ada', role: 'viewer' }]);
    expect(await after.authenticate(ada.token, 'web')).toEqual({ name: 'ada', role: 'viewer' });
    expect(await after.authenticate(eve.token, 'web')).toBeUndefined();
    await expect(after.signInLink(VIEWER)).rejects.toThrow('no longer in the configuration');
  });

  it('codes and sessions of one operator are bounded', async () => {
    const operators = operatorsOf();
    const first = await operators.redeem((await operators.signInLink(OWNER)).code, 'web');
    for (let i = 0; i < 60; i += 1) {
      parts.clock.advance(1000);
      await operators.redeem((await operators.signInLink(OWNER)).code, 'web');
    }
    const count = await parts.store.read((db) => db.selectFrom('tokens').selectAll().execute());
    expect(count).toHaveLength(50);
    expect(await operators.authenticate(first.token, 'web')).toBeUndefined();
  });
});
