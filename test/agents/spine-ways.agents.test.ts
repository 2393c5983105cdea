/**
 * The ways into a session through the whole mesh, and what `intercom trace` tells of each: by hooks in bypass mode, with the next prompt of
 * its person, and into exactly the session that is meant.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLAUDE_VERSIONS } from './claude-session.ts';
import { chat, MANUAL, reply, Spine } from './spine.ts';

const TIME = 180_000;
const BYPASS = ['--dangerously-skip-permissions'];
/** Every message here was held by the default rule and let through by the owner. */
const ALLOWED = [
  /waits for approval at hub/,
  /rule: default rule: ask once/,
  /waits for the machine at hub/,
  /by owner/,
];
const ARRIVED = [
  /at the machine at server/,
  /proof: acknowledged by its daemon/,
  /handed over, not yet proven at server/,
];

let spine: Spine;
afterEach(async () => {
  await spine.stop();
}, TIME);

describe.each(CLAUDE_VERSIONS)('into a session and told by trace, Claude Code %s', (version) => {
  const manual = ['--permission-mode', MANUAL[version]];
  const hasSocket = version === '2.1.329';
  const idleWay = hasSocket
    ? 'by the inbox socket of session #'
    : 'woken by the doorbell, by the UserPromptSubmit hook of session #';
  beforeEach(async () => {
    spine = await Spine.start(version);
  }, TIME);

  it('in bypass mode its hooks bring the message and nobody is asked', { timeout: TIME }, async () => {
    spine.when('laptop', /please warn/, chat('server/api', 'mind the gap'), 1);
    spine.afterTool('laptop', /./, { say: 'WARNED' });
    spine.when('server', /mind the gap/, (request) => reply(request, 'it is minded'), 1);
    spine.afterTool('server', /./, { say: 'READ IN BYPASS' });
    spine.when('laptop', /it is minded/, { say: 'GOOD' });
    const laptop = await spine.claude('laptop');
    const server = await spine.claude('server', BYPASS);
    const session = await spine.sessionOf('server', server);

    await laptop.prompt('please warn');
    const id = await spine.allow('mind the gap');
    await laptop.shows(/GOOD/, TIME);
    expect(await server.shows(/READ IN BYPASS/, TIME)).not.toMatch(/Held message/);
    await spine.reaches(id, 'answered');
    expect(spine.countHeard('server', id)).toBe(1);
    await spine.traceTells(
      id,
      ...ALLOWED,
      ...ARRIVED,
      new RegExp(`woken by the doorbell, by the UserPromptSubmit hook of session #${session.slice(0, 8)}`),
      /answered at server/,
      /proof: reply msg_/,
    );
  });

  it('a deaf session gets it when its person prompts', { timeout: TIME }, async () => {
    spine.when('server', /good morning/, { say: 'MORNING' });
    // A session with an inbox socket is never deaf; one in bypass mode is reached by hooks in both versions.
    const server = await spine.claude('server', hasSocket ? BYPASS : manual);
    const session = await spine.sessionOf('server', server);
    await spine.endWaiters('server');
    const id = await spine.send('sent in the night');
    await spine.allow('sent in the night');
    const { waitsFor } = await spine.reaches(id, 'dispatched');
    expect(waitsFor).toMatch(/server has it; it waits for a session or a good moment there/);
    await server.prompt('good morning');
    expect((await spine.heard('server', /good morning/)).news).toContain('sent in the night');
    await server.shows(/MORNING/, TIME);
    await spine.reaches(id, 'seen');
    expect(spine.countHeard('server', id)).toBe(1);
    await spine.traceTells(
      id,
      ...ALLOWED,
      ...ARRIVED,
      new RegExp(`with its next prompt, by the UserPromptSubmit hook of session #${session.slice(0, 8)}`),
      /delivered at server/,
      /proof: transcript: hook_additional_context/,
      /seen at server/,
      /proof: the turn that held it ended/,
    );
  });

  it('in mid-turn it comes with the next tool result', { timeout: TIME }, async () => {
    const gate = join(spine.cwd('server'), 'gate');
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo dig-is-over`;
    spine.when('server', /please dig/, { tool: 'Bash', input: { command: wait, description: 'dig' } }, 1);
    spine.afterTool('server', /dig-is-over/, { say: 'DUG' });
    const server = await spine.claude('server', [...manual, '--allowedTools', 'Bash(*)']);
    await server.prompt('please dig');
    await spine.heard('server', /please dig/);
    const id = await spine.send('mind the water pipe');
    await spine.allow('mind the water pipe');
    await spine.reaches(id, hasSocket ? 'written' : 'dispatched');
    writeFileSync(gate, '');
    expect((await spine.heard('server', /^dig-is-over/m)).news).toContain('mind the water pipe');
    await spine.reaches(id, 'seen');
    await spine.traceTells(
      id,
      ...ALLOWED,
      ...ARRIVED,
      hasSocket ? /by the inbox socket of session #/ : /with a tool’s result, by the PostToolUse hook of session #/,
      /delivered at server/,
      hasSocket
        ? /proof: (UserPromptSubmit hook|transcript: queued_command)/
        : /proof: transcript: hook_additional_context/,
      /seen at server/,
    );
  });

  it(
    'two sessions of one project get only their own mail; mail to the project goes to one: the idle one, then the last active, and a thread stays',
    { timeout: TIME },
    async () => {
      spine.when('server', /<intercom-message id/, { say: 'TAKEN' });
      spine.when('server', /i am the first/, { say: 'HELLO FIRST' }, 1);
      spine.when('server', /i am the second/, { say: 'HELLO SECOND' }, 1);
      const first = await spine.claude('server', [...manual, '--allowedTools', 'Bash(*)']);
      const second = await spine.claude('server', manual);
      await first.prompt('i am the first');
      await first.shows(/HELLO FIRST/, TIME);
      await second.prompt('i am the second');
      await second.shows(/HELLO SECOND/, TIME);
      const [one, two] = [await spine.sessionOf('server', first), await spine.sessionOf('server', second)];
      const whoHeard = async (id: string): Promise<string> => {
        await spine.reaches(id, 'seen');
        expect(spine.countHeard('server', id)).toBe(1);
        const { everything } = await spine.heard('server', new RegExp(`<intercom-message id="${id}"`));
        return everything.includes('i am the first') ? one : two;
      };

      const mine = await spine.send('only for the first', `server/api#${one}`);
      const yours = await spine.send('only for the second', `server/api#${two}`);
      await spine.allow('only for the second');
      await spine.allow('only for the first');
      expect(await whoHeard(yours)).toBe(two);
      expect(await whoHeard(mine)).toBe(one);
      for (const [id, session] of [
        [mine, one],
        [yours, two],
      ] as const) {
        await spine.traceTells(
          id,
          ...ALLOWED,
          ...ARRIVED,
          new RegExp(`${idleWay}${session.slice(0, 8)}`),
          /seen at server/,
        );
      }

      // Both are idle; the second was active last.
      await spine.turn(second, 'server', 'i was active last');
      const free = await spine.send('for whoever is free');
      await spine.allow('for whoever is free');
      expect(await whoHeard(free)).toBe(two);

      // The second works: the first is free. What follows in the older thread stays with the second all the same.
      const gate = join(spine.cwd('server'), 'gate');
      await spine.turn(first, 'server', 'now i was');
      spine.when(
        'server',
        /please dig/,
        { tool: 'Bash', input: { command: `while [ ! -e '${gate}' ]; do sleep 0.05; done`, description: 'dig' } },
        1,
      );
      spine.afterTool('server', /./, { say: 'DUG' });
      await first.prompt('please dig');
      await spine.state('server', one, 'working');
      const busy = await spine.send('for one that is not busy');
      await spine.allow('for one that is not busy');
      expect(await whoHeard(busy)).toBe(two);
      writeFileSync(gate, '');
      await spine.state('server', one, 'idle');
      const thread = (await spine.trace(free)).message.threadId;
      const more = await spine.send('and one more thing', 'server/api', thread);
      await spine.allow('and one more thing');
      expect(await whoHeard(more)).toBe(two);
    },
  );
});
