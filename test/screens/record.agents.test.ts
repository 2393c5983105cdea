/** Makes the corpus anew, when asked to: RECORD_SCREENS=claude-2.1.329 (or claude-2.1.197, codex, gemini, all). */
import { describe, it } from 'vitest';
import { CLAUDE_VERSIONS } from '../agents/claude-session.ts';
import { recordClaude } from './record.ts';
import { recordCodex, recordGemini } from './record-others.ts';

const wanted = process.env.RECORD_SCREENS ?? '';
const skips = (name: string): boolean => wanted !== 'all' && !wanted.split(',').includes(name);

describe('recording screens', () => {
  for (const version of CLAUDE_VERSIONS) {
    it.skipIf(skips(`claude-${version}`))(`of Claude Code ${version}`, () => recordClaude(version), 600_000);
  }
  it.skipIf(skips('codex'))('of Codex', recordCodex, 600_000);
  it.skipIf(skips('gemini'))('of Gemini CLI', recordGemini, 600_000);
});
