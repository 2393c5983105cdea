/** The main job, whole, on real parts, for each pinned version of Claude Code. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { launch } from '../browser/support/chromium.ts';
import { CLAUDE_VERSIONS } from './claude-session.ts';
import { CHAT, USER } from './places.ts';
import { chat, MANUAL, messageOf, reply, Spine } from './spine.ts';

const TIME = 120_000;

describe.each(CLAUDE_VERSIONS)('across machines, Claude Code %s', (version) => {
  let spine: Spine;
  beforeEach(async () => {
    spine = await Spine.start(version);
  }, TIME);
  afterEach(async () => {
    await spine.stop();
  }, TIME);

  it(
    'chat → card → allow in the terminal → an idle session wakes, half-typed text kept → its reply comes back in the thread',
    { timeout: TIME },
    async () => {
      const question = 'which port does the api use?';
      spine.when('laptop', /please ask/, chat('server/api', question), 1);
      spine.afterTool('laptop', /./, { say: 'I WAIT FOR THE ANSWER' });
      spine.when('laptop', /port 8080/, { say: 'NOW I KNOW' });
      spine.when('server', /which port/, (request) => reply(request, 'we use port 8080'), 1);
      spine.afterTool('server', /./, { say: 'ANSWERED' });
      const laptop = await spine.claude('laptop');
      const server = await spine.claude('server');
      await server.type('half a thought');

      await laptop.prompt('please ask');
      const card = await spine.card(question);
      expect(card.subject).toMatchObject({ body: question, messageKind: 'chat' });
      const allowed = await spine.mesh.hub.cli(['approvals', 'allow', card.id]);
      expect(allowed.stderr).toBe('');
      expect(allowed.exitCode).toBe(0);

      const delivered = await spine.heard('server', /which port/);
      expect(delivered.news).toMatch(/laptop\/web/);
      expect(delivered.news).toMatch(/approved by/);
      await spine.heard('laptop', /port 8080/);
      await laptop.shows(/NOW I KNOW/);
      expect(await server.shows(/ANSWERED/)).toContain('half a thought');

      const id = messageOf(card);
      await spine.reaches(id, 'answered');
      await spine.traceTells(
        id,
        /waits for approval at hub/,
        /rule: default rule: ask once/,
        /by owner/,
        /at the machine at server/,
        version === '2.1.329'
          ? /by the inbox socket of session #/
          : /woken by the doorbell, by the UserPromptSubmit hook of session #/,
        /answered at server/,
        /proof: reply msg_/,
      );
      expect(spine.countHeard('server', id)).toBe(1);
      expect(spine.model.unknown).toEqual([]);
    },
  );

  it(
    'deny with a reason reaches the sender as a clear tool result, and the other side hears nothing',
    { timeout: TIME },
    async () => {
      spine.when('laptop', /please meddle/, chat('server/api', 'delete the production data'), 1);
      spine.afterTool('laptop', /denied/i, { say: 'I WAS DENIED' });
      const laptop = await spine.claude('laptop');
      await spine.claude('server');
      await laptop.prompt('please meddle');
      const card = await spine.card('delete the production data');
      const denied = await spine.mesh.hub.cli(['approvals', 'deny', card.id, '--reason', 'not on a Friday']);
      expect(denied.exitCode).toBe(0);
      expect((await spine.heard('laptop', /not on a Friday/)).news).toMatch(/denied/i);
      await laptop.shows(/I WAS DENIED/);
      expect(spine.model.requests.some((request) => request.news.includes('<intercom-message id'))).toBe(false);
    },
  );

  it('allowed in Telegram; a message arrives in mid-turn with the next tool result', { timeout: TIME }, async () => {
    const gate = join(spine.cwd('server'), 'gate');
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo dig-is-over`;
    spine.when('server', /please dig/, { tool: 'Bash', input: { command: wait, description: 'dig' } }, 1);
    spine.afterTool('server', /dig-is-over/, { say: 'DUG AND READ' });
    spine.when('laptop', /please warn/, chat('server/api', 'mind the water pipe'), 1);
    spine.afterTool('laptop', /./, { say: 'WARNED' });
    const laptop = await spine.claude('laptop');
    const server = await spine.claude('server', ['--permission-mode', MANUAL[version], '--allowedTools', 'Bash(*)']);
    await server.prompt('please dig');
    await spine.heard('server', /please dig/);

    await laptop.prompt('please warn');
    const card = await spine.card('mind the water pipe');
    const shown = await spine.inTelegram(/mind the water pipe/, 'with buttons');
    const answer = await spine.telegram.press(CHAT, shown.id, USER, 'Allow once');
    expect(JSON.stringify(answer)).not.toMatch(/not allowed/i);
    await laptop.shows(/WARNED/);
    await spine.reaches(messageOf(card), 'dispatched', 'written', 'delivered');
    writeFileSync(gate, '');
    expect((await spine.heard('server', /^dig-is-over/m)).news).toContain('mind the water pipe');
    await server.shows(/DUG AND READ/);
    await spine.reaches(messageOf(card), 'seen');
  });

  it(
    'allowed on the page; a second answer elsewhere is told who was first; an open permission dialog stays until its person answers',
    { timeout: TIME },
    async () => {
      const touched = join(spine.cwd('server'), 'touched');
      spine.when(
        'server',
        /please touch/,
        { tool: 'Bash', input: { command: `touch '${touched}'; echo touch-is-over`, description: 'touch' } },
        1,
      );
      spine.afterTool('server', /touch-is-over/, { say: 'WENT ON' });
      spine.when('laptop', /please ask/, chat('server/api', 'any news from you?'), 1);
      spine.afterTool('laptop', /./, { say: 'ASKED' });
      const laptop = await spine.claude('laptop');
      const server = await spine.claude('server');
      await server.prompt('please touch');
      await server.shows(/Do you want to proceed/);

      await laptop.prompt('please ask');
      const card = await spine.card('any news from you?');
      await allowOnPage(spine, 'any news from you?');
      await laptop.shows(/ASKED/);
      const late = await spine.mesh.hub.cli(['approvals', 'deny', card.id]);
      expect(late.exitCode).toBe(7);
      expect(late.stderr).toMatch(/allowed/);

      await spine.reaches(messageOf(card), 'dispatched', 'written');
      expect(await server.screen()).toMatch(/Do you want to proceed/);
      expect(existsSync(touched)).toBe(false);
      await server.answer('Enter', /Do you want to proceed/);
      await spine.heard('server', /any news from you/);
      await server.shows(/WENT ON/);
      expect(existsSync(touched)).toBe(true);
      const id = messageOf(card);
      await spine.reaches(id, 'seen');
      const way = version === '2.1.329' ? 'by the inbox socket' : 'with a tool’s result, by the PostToolUse hook';
      await spine.traceTells(id, new RegExp(`${way} of session #`), /delivered at server/, /proof: /, /seen at server/);
    },
  );

  it(
    'a message to an agent that does not run waits, and the session that starts later gets it once',
    { timeout: TIME },
    async () => {
      spine.when('laptop', /please leave/, chat('server/api', 'a note for later'), 1);
      spine.afterTool('laptop', /./, { say: 'LEFT' });
      spine.when('server', /a note for later/, { say: 'FOUND THE NOTE' });
      const laptop = await spine.claude('laptop');
      await laptop.prompt('please leave');
      const card = await spine.card('a note for later');
      await spine.mesh.operator.decide(card, 'allow');
      await laptop.shows(/LEFT/);
      const id = messageOf(card);
      const { message, waitsFor } = await spine.reaches(id, 'dispatched');
      expect(message.place).toBe('server');
      expect(waitsFor).toMatch(/session/);
      const server = await spine.claude('server');
      await server.shows(/FOUND THE NOTE/);
      await spine.reaches(id, 'seen');
      expect(spine.countHeard('server', id)).toBe(1);
      const session = (await spine.sessionOf('server', server)).slice(0, 8);
      await spine.traceTells(
        id,
        /at the machine at server/,
        new RegExp(`handed over, not yet proven at server[^○●]*session #${session}`),
        /seen at server/,
      );
    },
  );

  it(
    'the daemon is killed between sending and arrival: the message arrives once, and the receipt is true',
    { timeout: TIME },
    async () => {
      spine.when('server', /number \d/, { say: 'COUNTED' });
      await spine.claude('server');
      const sender = spine.mesh.daemon('laptop').local({ cwd: spine.cwd('laptop') });
      const daemon = spine.mesh.daemon('server');
      const ids: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        const { id } = await sender.submit({ kind: 'send', to: 'server/api', body: `this is number ${round}` });
        ids.push(id);
        await spine.mesh.operator.decide(await spine.card(`number ${round}`), 'allow');
        await daemon.kill();
        await daemon.start();
      }
      // Delivered comes a moment before the model is asked; seen comes after.
      for (const id of ids) await spine.reaches(id, 'seen');
      for (const id of ids) expect(spine.countHeard('server', id)).toBe(1);
    },
  );
});

describe('what a session refuses or holds is shown as that on every surface', () => {
  it.each(['hold', 'refuse'] as const)('crossSessionInbound: %s', { timeout: TIME }, async (crossSessionInbound) => {
    const spine = await Spine.start('2.1.329', { crossSessionInbound });
    try {
      await spine.claude('server');
      const sender = spine.mesh.daemon('laptop').local({ cwd: spine.cwd('laptop') });
      const { id } = await sender.submit({ kind: 'send', to: 'server/api', body: 'are you there?' });
      await spine.mesh.operator.decide(await spine.card('are you there?'), 'allow');
      const { message } = await spine.reaches(id, crossSessionInbound === 'hold' ? 'held_at_terminal' : 'failed');
      expect(message.place).toBe('server');
      expect(message.reason).toBeTruthy();
      await spine.traceTells(
        id,
        /by the inbox socket of session #/,
        crossSessionInbound === 'hold' ? /held at the terminal at server/ : /failed at server/,
        crossSessionInbound === 'hold' ? /asks its person at the terminal first/ : /refuse/,
      );
      expect(spine.model.requests).toEqual([]);
      await spine.inTelegram(crossSessionInbound === 'hold' ? /held at the terminal of server/ : /refuse/);
    } finally {
      await spine.stop();
    }
  });
});

/** Signs in by a one-time link and allows the card with this text, as a person would. */
async function allowOnPage(spine: Spine, text: string): Promise<void> {
  const link = await spine.mesh.hub.cli(['login', '--link']);
  const url = /http:\/\/\S+/.exec(link.stdout)?.[0];
  if (url === undefined) throw new Error(`no sign-in link:\n${link.stdout}\n${link.stderr}`);
  let browser: Browser | undefined;
  try {
    browser = await launch();
    const page = await browser.newPage();
    await page.goto(url);
    const card = page.locator('article', { hasText: text });
    await card.getByRole('button', { name: 'Allow once' }).click();
    await page.getByText('Allowed. It is on its way').first().waitFor();
  } finally {
    await browser?.close();
  }
}
