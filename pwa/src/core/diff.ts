/** Edits as lines that were taken away and lines that came. Pure; the text stays as it is, line by line. */
export type LineKind = 'added' | 'removed' | 'place' | 'plain';

export interface DiffLine {
  readonly kind: LineKind;
  readonly text: string;
}

/** Whether a text is an edit: it has lines that begin with `+ ` or `- ` and says so by them (a command or JSON has hardly any). */
export function looksLikeDiff(text: string): boolean {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const marked = lines.filter((line) => /^[+-](?:\s|$)|^@@ /.test(line)).length;
  return marked > 0 && marked * 2 >= lines.length - 1;
}

export function diffLines(text: string): DiffLine[] {
  return text.split('\n').map((line) => ({ kind: kindOf(line), text: line }));
}

function kindOf(line: string): LineKind {
  if (line.startsWith('@@') || line.startsWith('+++ ') || line.startsWith('--- ')) return 'place';
  if (line.startsWith('+')) return 'added';
  if (line.startsWith('-')) return 'removed';
  return 'plain';
}
