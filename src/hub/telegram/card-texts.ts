/**
 * The text that a card is about, below its first lines: as a quote, as code, or as a plan. Pure.
 *
 * Invariants: it stands in one block that it cannot leave, so it cannot pass for a part of the card; hidden characters are shown; the whole of it, or that it is cut,
 * and then a file with all of it.
 */
import { escapeHtml, plainOf, runsToHtml, safeCut, showHidden, visibleText, type Run } from './html.ts';
import type { Content } from './ports.ts';
import { splitRuns, TEXT_MAX } from './split.ts';

export interface CardBody {
  readonly lines: string[];
  readonly document?: NonNullable<Content['document']>;
}

/** Units kept free for decision, reason, state and the sentence about the cut. */
const RESERVED = 900;

/** Units that are left for a text below these lines. */
export function roomBelow(lines: readonly string[]): number {
  return TEXT_MAX - RESERVED - plainOf(lines.join('\n')).length;
}

/** What a person or an agent wrote, literally. */
export function withText(lines: readonly string[], whole: string, fileName: string): CardBody {
  return withBlock(lines, whole, `${fileName}.txt`, (text) => `<blockquote>${escapeHtml(text)}</blockquote>`);
}

/** A command, a diff, JSON: what a machine will read, in letters of one width. */
export function withCode(lines: readonly string[], whole: string, fileName: string): CardBody {
  const language = languageOf(whole);
  return withBlock(lines, whole, `${fileName}.${language === 'diff' ? 'diff' : 'txt'}`, (text) => {
    const code = escapeHtml(text);
    return language === undefined
      ? `<pre>${code}</pre>`
      : `<pre><code class="language-${language}">${code}</code></pre>`;
  });
}

/** A plan in the agent's Markdown: headings and **bold** are bold; code keeps its marks, because a quote takes no code in it. */
export function withPlan(lines: readonly string[], whole: string, fileName: string): CardBody {
  const runs = planRuns(showHidden(whole.trim()));
  const [first = []] = splitRuns(runs, roomBelow(lines));
  const isCut = visibleText(first).length < visibleText(runs).length;
  const quote = `<blockquote>${runsToHtml(first)}${isCut ? '…' : ''}</blockquote>`;
  if (!isCut) return { lines: [...lines, quote] };
  return {
    lines: [...lines, quote, cutLine(visibleText(first).length, whole.length)],
    document: wholeFile(`${fileName}.md`, whole),
  };
}

export function cutLine(shown: number, whole: number): string {
  const [some, all] = [shown, whole].map((count) => count.toLocaleString('en-US'));
  return `✂️ <b>Cut:</b> you see the first ${some} of ${all} characters. The file below has the whole text.`;
}

export function wholeFile(name: string, text: string): NonNullable<Content['document']> {
  return { name, text, caption: 'The whole text of the card above.' };
}

function withBlock(
  lines: readonly string[],
  whole: string,
  fileName: string,
  block: (text: string) => string,
): CardBody {
  const room = roomBelow(lines);
  const shown = showHidden(whole);
  if (shown.length <= room) return { lines: [...lines, block(shown)] };
  const text = shown.slice(0, safeCut(shown, room));
  return {
    lines: [...lines, block(`${text}…`), cutLine(text.length, whole.length)],
    document: wholeFile(fileName, whole),
  };
}

const DIFF = /^(?:@@ |\+\+\+ |--- |diff --git )/m;

/** Phones colour what they know the language of. A command says nothing about its own; it needs no colours. */
function languageOf(text: string): 'diff' | 'json' | undefined {
  if (DIFF.test(text)) return 'diff';
  return /^\s*[{[]\s*["{[\]}\d]/.test(text) ? 'json' : undefined;
}

const HEADING = /^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*$/;
const BOLD = /\*\*([^*\n]+)\*\*/g;

function planRuns(text: string): Run[] {
  const lines = text.split('\n');
  const runs = lines.flatMap((line, index): Run[] => {
    const end = index < lines.length - 1 ? '\n' : '';
    const heading = HEADING.exec(line)?.[1];
    if (heading === undefined) return boldRuns(`${line}${end}`);
    return [
      { style: 'bold', text: heading.replaceAll('**', '') },
      { style: 'plain', text: end },
    ];
  });
  return runs.filter((run) => run.text !== '');
}

function boldRuns(line: string): Run[] {
  const runs: Run[] = [];
  let done = 0;
  for (const match of line.matchAll(BOLD)) {
    runs.push({ style: 'plain', text: line.slice(done, match.index) }, { style: 'bold', text: match[1] ?? '' });
    done = match.index + match[0].length;
  }
  return [...runs, { style: 'plain', text: line.slice(done) }];
}
