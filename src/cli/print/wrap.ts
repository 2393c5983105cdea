/**
 * Lines that are longer than the terminal, painted ones too: broken at a space where there is one in reach, otherwise where the line ends. Colours and the way a text is set in
 * are carried on.
 */
import { widthOf } from './style.ts';

const PIECE = /\u001b\[[0-9;]*m|[^\u001b]/gu;
const COLOUR = /\u001b\[[0-9;]*m/g;
const TAB = '    ';

export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line.replaceAll('\t', TAB), Math.max(2, width)));
}

function wrapLine(line: string, width: number): string[] {
  if (widthOf(line) <= width) return [line];
  const inset = insetOf(line, width);
  const lines: string[] = [];
  let colours = '';
  let taken = '';
  let used = 0;
  /** Where the line could be broken, and the colours there. */
  let space = { at: 0, colours: '' };
  for (const [piece] of line.matchAll(PIECE)) {
    if (piece.length > 1 && piece.startsWith('\u001b')) {
      colours += piece;
      taken += piece;
      continue;
    }
    const wide = /^[ -~]$/.test(piece) ? 1 : widthOf(piece);
    if (used + wide > width) {
      const whole = piece === ' ' || widthOf(taken.slice(0, space.at)) < width / 2;
      const cutAt = whole ? taken.length : space.at;
      lines.push(taken.slice(0, cutAt));
      taken = inset + (whole ? colours : space.colours) + taken.slice(cutAt).replace(/^ /, '');
      used = widthOf(taken);
      space = { at: 0, colours: '' };
      if (piece === ' ') continue;
    }
    if (piece === ' ') space = { at: taken.length, colours };
    taken += piece;
    used += wide;
  }
  lines.push(taken);
  return lines;
}

/** What the line begins with: spaces, and the mark of what is quoted. */
function insetOf(line: string, width: number): string {
  const inset = /^ *(?:│ )?/.exec(line.replace(COLOUR, ''))?.[0] ?? '';
  return inset.length < width / 2 ? inset : '';
}
