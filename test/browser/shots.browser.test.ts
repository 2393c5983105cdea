/** Pictures for people: every screen in both themes and sizes, when SHOTS names a folder. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { readdirSync } from 'node:fs';
import { launch } from './support/chromium.ts';
import { takeShots } from './support/shots.ts';

const folder = process.env['SHOTS'];

describe.skipIf(folder === undefined)('pictures of every screen', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
  });

  it('can be taken', async () => {
    await takeShots(browser, folder ?? '');
    expect(readdirSync(folder ?? '').filter((name) => name.endsWith('.png')).length).toBeGreaterThanOrEqual(60);
  }, 180_000);
});
