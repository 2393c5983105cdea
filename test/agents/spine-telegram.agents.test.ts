/** Telegram (emulated) as the place of approval, with real agents: denied with a reason, and allowed for always. Allow once is in spine.agents.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLAUDE_VERSIONS } from './claude-session.ts';
import { CHAT, USER } from './places.ts';
import { chat, messageOf, Spine } from './spine.ts';

const TIME = 180_000;

describe.each(CLAUDE_VERSIONS)('decided in Telegram, Claude Code %s', (version) => {
  let spine: Spine;
  beforeEach(async () => {
    spine = await Spine.start(version);
  }, TIME);
  afterEach(async () => {
    await spine.stop();
  }, TIME);

  it(
    'denied with a reason: the sender reads it, nobody else hears anything, and the card says it',
    { timeout: TIME },
    async () => {
      spine.when('laptop', /please meddle/, chat('server/api', 'delete the production data'), 1);
      spine.afterTool('laptop', /denied/i, { say: 'I WAS DENIED' });
      const laptop = await spine.claude('laptop');
      await spine.claude('server');
      await laptop.prompt('please meddle');
      const card = await spine.card('delete the production data');
      const shown = await spine.inTelegram(/delete the production data/, 'with buttons');
      const where = shown.topic === undefined ? {} : { topic: shown.topic };
      spine.telegram.write(CHAT, USER, '/deny not on a Friday', { replyTo: shown.id, ...where });

      expect((await spine.heard('laptop', /not on a Friday/)).news).toMatch(/denied/i);
      await laptop.shows(/I WAS DENIED/, TIME);
      const decided = await spine.inTelegram(/Denied by .* \(Telegram\).*\n?Reason: not on a Friday/);
      expect(decided.id).toBe(shown.id);
      expect(decided.content.text).toContain('delete the production data');
      expect(decided.buttons).toEqual([]);
      await spine.traceTells(messageOf(card), /waits for approval at hub/, /denied/, /by owner/, /not on a Friday/);
      expect(spine.model.requests.some((request) => request.news.includes('<intercom-message id'))).toBe(false);
    },
  );

  it(
    'Always: the next message of that pair passes by the grant, and asks again once that is revoked',
    { timeout: TIME },
    async () => {
      spine.when('server', /<intercom-message id/, { say: 'READ' });
      spine.when('laptop', /please tell/, chat('server/api', 'the first of many'), 1);
      spine.afterTool('laptop', /./, { say: 'TOLD' });
      const laptop = await spine.claude('laptop');
      await spine.claude('server');
      await laptop.prompt('please tell');
      const card = await spine.card('the first of many');
      const shown = await spine.inTelegram(/the first of many/, 'with buttons');
      const answer = await spine.telegram.press(CHAT, shown.id, USER, 'Always');
      expect(answer.alert).toBe(false);
      expect(answer.text).toMatch(/always allowed/i);
      const decided = await spine.inTelegram(/Always allowed by .* \(Telegram\)/);
      expect(decided).toMatchObject({ id: shown.id, buttons: [] });
      await laptop.shows(/TOLD/, TIME);
      await spine.reaches(messageOf(card), 'seen');

      spine.when('laptop', /please again/, chat('server/api', 'the second of many'), 1);
      await laptop.prompt('please again');
      const second = (await spine.heard('server', /the second of many/)).news;
      const id = /msg_[0-9A-Z]{26}/.exec(second)?.[0] ?? '';
      await spine.reaches(id, 'seen');
      expect(await spine.mesh.operator.pending()).toEqual([]);
      await spine.traceTells(id, /rule: grant grn_[0-9A-Z]{26}/, /at the machine at server/, /delivered at server/);

      const grants = (await spine.mesh.hub.cli(['policy', 'grants'])).stdout;
      const grant = /grn_[0-9A-Z]{26}/.exec(grants)?.[0] ?? 'no grant';
      expect((await spine.mesh.hub.cli(['policy', 'revoke', grant])).exitCode).toBe(0);
      spine.when('laptop', /please once more/, chat('server/api', 'the third of many'), 1);
      await laptop.prompt('please once more');
      await spine.inTelegram(/the third of many/, 'with buttons');
    },
  );
});
