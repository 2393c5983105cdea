/**
 * The text that a card is about, between its first and its last lines: as a quote, as code, or as a plan. Pure.
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

/** A card's lines around its text. */
export interface Frame {
  readonly head: readonly string[];
  readonly foot?: readonly string[];
}

/** Units that are left for a text beside these lines, when so many are kept free. */
export function roomBeside(lines: readonly string[], kept = RESERVED): number {
  return Math.max(100, TEXT_MAX - kept - plainOf(lines.join('\n')).length);
}

/** What a person or an agent wrote, literally. */
export function withText(frame: Frame, whole: string, fileName: string): CardBody {
  return withBlock(frame, whole, `${fileName}.txt`, (text) => `<blockquote>${escapeHtml(text)}</blockquote>`);
}

/** A command, a diff, JSON: what a machine will read, in letters of one width. */
export function withCode(frame: Frame, whole: string, fileName: string): CardBody {
  const language = languageOf(whole);
  return withBlock(frame, whole, `${fileName}.${language === 'diff' ? 'diff' : 'txt'}`, (text) => {
    const code = escapeHtml(text.replace(/\n+$/, ''));
    return language === undefined
      ? `<pre>${code}</pre>`
      : `<pre><code class="language-${language}">${code}</code></pre>`;
  });
}

/** A plan in the agent's Markdown: headings and **bold** are bold; code keeps its marks, because a quote takes no code in it. */
export function withPlan(frame: Frame, whole: string, fileName: string): CardBody {
  const runs = planRuns(showHidden(whole.trim()));
  const [first = []] = splitRuns(runs, roomBeside(linesOf(frame)));
  const isCut = visibleText(first).length < visibleText(runs).length;
  const quote = `<blockquote>${runsToHtml(first)}${isCut ? '…' : ''}</blockquote>`;
  if (!isCut) return framed(frame, [quote]);
  const cut = cutLine(visibleText(first).length, whole.length);
  return { ...framed(frame, [quote, cut]), document: wholeFile(`${fileName}.md`, whole) };
}

function linesOf({ head, foot = [] }: Frame): string[] {
  return [...head, ...foot];
}

function framed({ head, foot = [] }: Frame, lines: readonly string[]): CardBody {
  return { lines: [...head, ...lines, ...foot] };
}

function cutLine(shown: number, whole: number): string {
  const [some, all] = [shown, whole].map((count) => count.toLocaleString('en-US'));
  return `✂️ <b>Cut:</b> you see the first ${some} of ${all} characters. The file below has the whole text.`;
}

export function wholeFile(name: string, text: string): NonNullable<Content['document']> {
  return { name, text, caption: 'The whole text of the card above.' };
}

function withBlock(frame: Frame, whole: string, fileName: string, block: (text: string) => string): CardBody {
  const room = roomBeside(linesOf(frame));
  const shown = showHidden(whole);
  if (shown.length <= room) return framed(frame, [block(shown)]);
  const text = shown.slice(0, safeCut(shown, room));
  return {
    ...framed(frame, [block(`${text}…`), cutLine(text.length, whole.length)]),
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
const FENCE = /^\s{0,3}(?:```|~~~)/;
/** Code first: within it stars are stars. */
const BOLD = /`[^`\n]+`|\*\*([^*\n]+)\*\*/g;

function planRuns(text: string): Run[] {
  const lines = text.split('\n');
  let isCode = false;
  const runs = lines.flatMap((line, index): Run[] => {
    const end = index < lines.length - 1 ? '\n' : '';
    const isFence = FENCE.test(line);
    if (isFence) isCode = !isCode;
    if (isFence || isCode) return [{ style: 'plain', text: `${line}${end}` }];
    const heading = HEADING.exec(line)?.[1];
    if (heading === undefined) return boldRuns(`${line}${end}`);
    const title = boldRuns(heading).map((run): Run => ({ ...run, style: 'bold' }));
    return [...title, { style: 'plain', text: end }];
  });
  return runs.filter((run) => run.text !== '');
}

function boldRuns(line: string): Run[] {
  const runs: Run[] = [];
  let done = 0;
  for (const match of line.matchAll(BOLD)) {
    if (match[1] === undefined) continue;
    runs.push({ style: 'plain', text: line.slice(done, match.index) }, { style: 'bold', text: match[1] });
    done = match.index + match[0].length;
  }
  return [...runs, { style: 'plain', text: line.slice(done) }];
}
