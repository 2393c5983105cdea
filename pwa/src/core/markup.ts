/**
 * Light Markdown of agents' texts as a list of pieces: code blocks, inline code, bold, headings. Nothing else, and never HTML: a piece is drawn as a
 * text node in an element of ours. Characters that nobody can see but that change what is read come out as pieces of their own.
 */
type Kind = 'text' | 'bold' | 'heading' | 'code' | 'block';
export type Piece =
  | { readonly kind: Kind; readonly text: string }
  /** A character that turns the writing direction or hides; `text` is its name. */
  | { readonly kind: 'hidden'; readonly text: string };

/** Behind an opening fence only the name of a language may stand: it is not shown, so it must not hide a sentence. */
const FENCE = /^```[\w+.#-]{0,20}[ \t]*\n([\s\S]*?)(?:\n```[ \t]*$|(?![\s\S]))/gm;
const HEADING = /^#{1,6}[ \t]+(\S[^\n]*)$/gm;
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*/g;
/** Direction overrides and isolates, zero-width space, byte order mark, tag characters. Joiners stay: emoji and scripts need them. */
const HIDDEN = /[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]|\udb40[\udc00-\udc7f]/g;

/** The text with Markdown. */
export function markdownPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(FENCE)) {
    withHeadings(trimEdge(text.slice(from, match.index), from > 0, true), pieces);
    reveal('block', match[1] ?? '', pieces);
    from = match.index + match[0].length;
  }
  withHeadings(trimEdge(text.slice(from), from > 0, false), pieces);
  return pieces;
}

/** The text as it is, for places where every character counts. */
export function plainPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  reveal('text', text, pieces);
  return pieces;
}

/** A block stands on lines of its own: the line ends next to it are not empty lines. */
function trimEdge(text: string, afterBlock: boolean, beforeBlock: boolean): string {
  const start = afterBlock && text.startsWith('\n') ? text.slice(1) : text;
  return beforeBlock && start.endsWith('\n') ? start.slice(0, -1) : start;
}

/** Headings stand on lines of their own; the line ends stay in the texts around them. */
function withHeadings(text: string, pieces: Piece[]): void {
  let from = 0;
  for (const match of text.matchAll(HEADING)) {
    inline(text.slice(from, match.index), pieces);
    reveal('heading', match[1] ?? '', pieces);
    from = match.index + match[0].length;
  }
  inline(text.slice(from), pieces);
}

function inline(text: string, pieces: Piece[]): void {
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    reveal('text', text.slice(from, match.index), pieces);
    if (match[1] === undefined) reveal('bold', match[2] ?? '', pieces);
    else reveal('code', match[1], pieces);
    from = match.index + match[0].length;
  }
  reveal('text', text.slice(from), pieces);
}

function reveal(kind: Kind, text: string, pieces: Piece[]): void {
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) pieces.push({ kind, text: text.slice(from, match.index) });
    const code = match[0].codePointAt(0) ?? 0;
    pieces.push({ kind: 'hidden', text: `U+${code.toString(16).toUpperCase().padStart(4, '0')}` });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ kind, text: text.slice(from) });
}

/** Texts longer than this are folded at first (characters, lines). */
export const FOLD_CHARACTERS = 600;
export const FOLD_LINES = 12;
/** A fold that hides less than this is a nuisance (characters). */
const FOLD_WORTH = 250;

/** The beginning of a long text, or undefined when the text is short enough to stand whole. Never cuts a character in two. */
export function foldedBeginning(text: string): string | undefined {
  let end = text.length;
  let line = -1;
  for (let count = 0; count < FOLD_LINES; count += 1) {
    line = text.indexOf('\n', line + 1);
    if (line < 0) break;
  }
  if (line >= 0) end = Math.min(end, line);
  end = Math.min(end, FOLD_CHARACTERS);
  if (text.length - end < FOLD_WORTH) return undefined;
  // Better to stop at the end of a line, or at least of a word.
  const lineEnd = text.lastIndexOf('\n', end);
  const space = text.lastIndexOf(' ', end);
  if (lineEnd > end - 80) end = lineEnd;
  else if (text[end] !== '\n' && space > end - 40) end = space;
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}
