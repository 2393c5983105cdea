/**
 * Text for Telegram's HTML mode. Pure.
 *
 * A text is a list of runs, each with one style; runs never nest, so tags always balance and a text can be cut anywhere between two
 * characters. The only way to HTML is `runsToHtml`, which escapes everything that is not a tag of ours.
 */

export type RunStyle = 'plain' | 'bold' | 'italic' | 'code' | 'pre';

export interface Run {
  readonly style: RunStyle;
  readonly text: string;
  /** Of a `pre` run: the language after the fence. */
  readonly language?: string;
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Our own HTML as text. */
export function plainOf(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

/** Overrides of the writing direction, characters without width, tag characters: they make a text read otherwise than it is. */
const HIDDEN = /[\u202a-\u202e\u2066-\u2069\u200b\u2060\u180e\ufeff]|[\u{e0000}-\u{e007f}]/gu;

/** Hidden characters as `‹U+202E›`, so that what a person reads is what is there. */
export function showHidden(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`;
  });
}

/** One line for names and titles: no newlines, hidden characters shown, at most `max` UTF-16 units with an ellipsis. */
export function oneLine(text: string, max: number): string {
  return clip(showHidden(text).replace(/\s+/g, ' ').trim(), max);
}

/** The first `max` UTF-16 units, never half a surrogate pair, with `…` if something is missing. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, safeCut(text, max - 1))}…`;
}

/** The largest position up to `at` that does not lie inside a surrogate pair. */
export function safeCut(text: string, at: number): number {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  const inside = before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
  return inside ? at - 1 : at;
}

/** What a person sees of the runs. */
export function visibleText(runs: readonly Run[]): string {
  return runs.map((run) => run.text).join('');
}

export function runsToHtml(runs: readonly Run[]): string {
  return runs.map(runToHtml).join('');
}

function runToHtml(run: Run): string {
  const text = escapeHtml(run.text);
  switch (run.style) {
    case 'plain':
      return text;
    case 'bold':
      return `<b>${text}</b>`;
    case 'italic':
      return `<i>${text}</i>`;
    case 'code':
      return `<code>${text}</code>`;
    case 'pre':
      return run.language === undefined
        ? `<pre>${text}</pre>`
        : `<pre><code class="language-${run.language}">${text}</code></pre>`;
  }
}

const FENCE = /^ {0,3}```([A-Za-z0-9+#_.-]{0,30})[ \t]*$/;
const FENCE_END = /^ {0,3}```[ \t]*$/;

/**
 * The light Markdown that agents write: fenced blocks, `code` and **bold**. What is not closed stays as it was written. Takes time linear in
 * the text.
 */
export function parseMarkdown(text: string): Run[] {
  const runs: Run[] = [];
  const lines = text.split('\n');
  // Where the last fence end is: an opening after it cannot be closed, and is not searched for.
  const lastEnd = lines.findLastIndex((line) => FENCE_END.test(line));
  let plain: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const fence = at < lastEnd ? FENCE.exec(line) : null;
    const end = fence === null ? -1 : fenceEnd(lines, at + 1);
    const code = end < 0 ? '' : lines.slice(at + 1, end).join('\n');
    if (fence === null || code === '') {
      plain.push(line);
      continue;
    }
    if (plain.length > 0) runs.push(...inline(`${plain.join('\n')}\n`));
    const language = fence[1] ?? '';
    runs.push({ style: 'pre', text: code, ...(language === '' ? {} : { language }) });
    plain = end + 1 < lines.length ? [''] : [];
    at = end;
  }
  if (plain.length > 0) runs.push(...inline(plain.join('\n')));
  return runs.filter((run) => run.text !== '');
}

function fenceEnd(lines: readonly string[], from: number): number {
  for (let at = from; at < lines.length; at += 1) {
    if (FENCE_END.test(lines[at] ?? '')) return at;
  }
  return -1;
}

const INLINE = /(?<!`)`([^`\n]+)`(?!`)|\*\*([^*`\n]+)\*\*/g;

function inline(text: string): Run[] {
  const runs: Run[] = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold] = match;
    runs.push({ style: 'plain', text: text.slice(done, match.index) });
    if (code !== undefined) runs.push({ style: 'code', text: code });
    else runs.push({ style: 'bold', text: bold ?? '' });
    done = match.index + whole.length;
  }
  runs.push({ style: 'plain', text: text.slice(done) });
  return runs;
}
