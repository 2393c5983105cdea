/** The recognisers, by the name that a program's plan gives (`screen`). */
import { claudeRecogniser } from './claude.ts';
import { codexRecogniser } from './codex.ts';
import { geminiRecogniser } from './gemini.ts';
import type { Recogniser } from './recogniser.ts';

const RECOGNISERS: readonly Recogniser[] = [claudeRecogniser, codexRecogniser, geminiRecogniser];

/** Undefined: the screen of that program is not understood; nothing is typed into it. */
export function recogniserFor(name: string): Recogniser | undefined {
  return RECOGNISERS.find((one) => one.name === name);
}
