/**
 * Colour and marks. Everything that came from elsewhere goes through `safe` before it reaches a terminal: a name or a text with an escape
 * sequence in it must not move the cursor or fake a line.
 */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly blue: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export function styleFor(colour: boolean): Style {
  const paint = (open: number, close: number) => (text: string) =>
    colour && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    blue: paint(34, 39),
    cyan: paint(36, 39),
  };
}

/** One line of foreign text: control and direction characters are shown as ␦, line ends as a space. */
export function safe(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ').replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '␦');
}

/** Foreign text of several lines: line ends and tabs stay, everything that could move the cursor does not. */
export function safeLines(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (one) =>
      one === '\n' || one === '\t' ? one : '␦',
    );
}

const SEQUENCE = /\u001b\[[0-9;]*m/g;

/** Columns that a text takes on a terminal: marks of a letter none, wide characters and emoji two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text.replace(SEQUENCE, '')) {
    if (/\p{M}|\u200d|[\ufe00-\ufe0f]/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

/** Cut to `width` columns, with … where something is missing. Plain text only. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let taken = '';
  let used = 0;
  for (const character of text) {
    const wide = widthOf(character);
    if (used + wide > width - 1) break;
    taken += character;
    used += wide;
  }
  return `${taken.trimEnd()}…`;
}

/** Cut in the middle, for paths and ids whose end says as much as their beginning. */
export function cutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const characters = Array.from(text);
  const end = Math.floor((width - 1) / 2);
  return `${characters.slice(0, width - 1 - end).join('')}…${characters.slice(-end).join('')}`;
}
