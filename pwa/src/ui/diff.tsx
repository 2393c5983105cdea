/** An edit with its lines coloured: what goes, what comes. Every character stays as it is; long ones are folded and say how long they are. */
import { useState } from 'preact/hooks';
import { diffLines } from '../core/diff.ts';
import { plainPieces } from '../core/markup.ts';
import { PieceView } from './text.tsx';

const LINES_FIRST = 24;
/** A fold that hides fewer is a nuisance. */
const FOLD_WORTH = 8;
/** Lines that are drawn at once; the rest stands below as plain text. */
const LINES_MAX = 3_000;

export function DiffText({ text }: { readonly text: string }) {
  const [open, setOpen] = useState(false);
  const lines = diffLines(text);
  const foldable = lines.length >= LINES_FIRST + FOLD_WORTH;
  const shown = lines.slice(0, foldable && !open ? LINES_FIRST : LINES_MAX);
  const rest = open ? lines.slice(LINES_MAX) : [];
  return (
    <div class="diff" dir="ltr">
      <div class={foldable && !open ? 'diff-lines folded' : 'diff-lines'}>
        {shown.map((line, index) => (
          <div key={index} class={`diff-line diff-${line.kind}`}>
            {plainPieces(line.text).map((piece, at) => (
              <PieceView key={at} piece={piece} />
            ))}
            {'\n'}
          </div>
        ))}
        {rest.length > 0 && rest.map((line) => line.text).join('\n')}
      </div>
      {foldable && (
        <div class="fold">
          {!open && <span class="fold-note">The first {LINES_FIRST} lines are shown.</span>}
          <button type="button" class="text-button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? 'Show less' : `Show all ${lines.length.toLocaleString('en')} lines`}
          </button>
        </div>
      )}
    </div>
  );
}
