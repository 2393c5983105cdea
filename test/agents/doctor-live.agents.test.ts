/** `intercom doctor --live` with the real Claude Code of each pinned version. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Home } from '../cli/support/cli.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import { ScriptedModel } from './scripted-model.ts';

it.each(CLAUDE_VERSIONS)(
  'Claude Code %s answers with the nonce',
  async (version) => {
    const model = await ScriptedModel.start();
    const claude = new ClaudeHome();
    const home = await Home.make();
    try {
      const bin = join(claude.path, 'bin');
      mkdirSync(bin);
      symlinkSync(claudeProgram(version) ?? '', join(bin, 'claude'));
      model.on({
        when: /Answer with this word/,
        reply: ({ news }) => ({ say: /plum-[0-9a-f]{8}/.exec(news)?.[0] ?? 'no nonce' }),
      });
      const env = {
        HOME: claude.path,
        PATH: `${bin}:${process.env.PATH ?? ''}`,
        ANTHROPIC_BASE_URL: model.url,
        ANTHROPIC_API_KEY: claude.key,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        DISABLE_AUTOUPDATER: '1',
      };
      const { out } = await home.run(['doctor', '--live', '--yes'], { env });
      expect(out).toMatch(new RegExp(`Claude Code {2,}${version.replaceAll('.', '\\.')}, verified`));
      expect(out).toMatch(/Claude Code, live {2,}a nonce went in and came back/);
    } finally {
      await model.stop();
      claude.remove();
    }
  },
  120_000,
);
