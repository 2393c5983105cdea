import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { hubParts, type HubParts } from '../../support/hub-parts.ts';

let parts: HubParts;
beforeEach(async () => {
  parts = await hubParts();
});
afterEach(() => parts.close());

const TOKEN = {
  key: 'telegram.token',
  level: 'error',
  text: 'Telegram refused the token.',
  next: 'Ask @BotFather.',
} as const;

describe('notices', () => {
  it('are told once, replaced by a new text, and told again when they are over', async () => {
    await parts.notices.raise(TOKEN);
    await parts.notices.raise(TOKEN);
    expect(parts.heard).toHaveLength(1);
    await parts.notices.raise({ ...TOKEN, text: 'Still refused.' });
    expect(await parts.notices.live()).toMatchObject([{ key: 'telegram.token', text: 'Still refused.' }]);
    await parts.notices.clear('telegram.token');
    await parts.notices.clear('telegram.token');
    await parts.notices.clear('never.raised');
    expect(await parts.notices.live()).toEqual([]);
    expect(parts.heard).toHaveLength(3);
    expect(parts.heard.at(-1)).toMatchObject({ type: 'system.notice', notice: { key: 'telegram.token' } });
  });

  it('survive a restart', async () => {
    await parts.notices.raise(TOKEN);
    parts = await parts.restart();
    expect(await parts.notices.live()).toMatchObject([{ key: 'telegram.token' }]);
  });

  it('a store that cannot be written is shown although nothing can be written', async () => {
    parts.notices.storeState(
      new IntercomError('storage_failed', 'hub.db: the disk is full.', { next: 'Free some space.' }),
    );
    const [fault] = await parts.notices.live();
    expect(fault).toMatchObject({
      key: 'store.fault',
      level: 'error',
      text: 'Nothing can be written: hub.db: the disk is full.',
    });
    parts.clock.advance(5_000);
    parts.notices.storeState(new IntercomError('storage_failed', 'hub.db: the disk is full.'));
    expect((await parts.notices.live())[0]?.since).toBe(fault?.since);
    parts.notices.storeState(undefined);
    expect(await parts.notices.live()).toEqual([]);
  });
});
