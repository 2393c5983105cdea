/** Lines that are longer than the terminal, painted ones too: broken by columns, with their colours carried on. */
import { widthOf } from './style.ts';

const PIECE = /\u001b\[[0-9;]*m|[^\u001b]/gu;
const TAB = '    ';

export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line.replaceAll('\t', TAB), Math.max(2, width)));
}

function wrapLine(line: string, width: number): string[] {
  if (widthOf(line) <= width) return [line];
  const lines: string[] = [];
  let colours = '';
  let taken = '';
  let used = 0;
  for (const [piece] of line.matchAll(PIECE)) {
    if (piece.length > 1 && piece.startsWith('\u001b')) {
      colours += piece;
      taken += piece;
      continue;
    }
    const wide = widthOf(piece);
    if (used + wide > width) {
      lines.push(taken);
      taken = colours;
      used = 0;
    }
    taken += piece;
    used += wide;
  }
  lines.push(taken);
  return lines;
}
