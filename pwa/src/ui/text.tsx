/** Agents' texts on screen: text nodes in elements of ours, never HTML. Long ones are folded and say how long they are. */
import { useState } from 'preact/hooks';
import { foldedBeginning, markdownPieces, plainPieces, type Piece } from '../core/markup.ts';

export function PieceView({ piece }: { readonly piece: Piece }) {
  switch (piece.kind) {
    case 'text':
      return <>{piece.text}</>;
    case 'bold':
      return <strong>{piece.text}</strong>;
    case 'heading':
      return <strong class="text-heading">{piece.text}</strong>;
    case 'code':
      return <code>{piece.text}</code>;
    case 'block':
      return (
        <pre>
          <code>{piece.text}</code>
        </pre>
      );
    case 'hidden':
      return (
        <span class="hidden-char" title="A character that nobody can see, or that turns the writing direction">
          {piece.text}
        </span>
      );
  }
}

/** `exact`: every character as it is (for what is approved); otherwise light Markdown. */
export function AgentText({ text, exact = false }: { readonly text: string; readonly exact?: boolean }) {
  const [open, setOpen] = useState(false);
  const beginning = open ? undefined : foldedBeginning(text);
  const shown = beginning ?? text;
  const pieces = exact ? plainPieces(shown) : markdownPieces(shown);
  const foldable = open || beginning !== undefined;
  return (
    <div class="agent-text" dir="auto">
      <div class={beginning === undefined ? 'agent-text-body' : 'agent-text-body folded'}>
        {pieces.map((piece, index) => (
          <PieceView key={index} piece={piece} />
        ))}
      </div>
      {foldable && (
        <div class="fold">
          {beginning !== undefined && (
            <span class="fold-note">The first {beginning.length.toLocaleString('en')} characters are shown.</span>
          )}
          <button
            type="button"
            class="text-button"
            aria-expanded={open}
            onClick={(event) => {
              event.stopPropagation();
              setOpen(!open);
            }}
          >
            {open ? 'Show less' : `Show all ${text.length.toLocaleString('en')} characters`}
          </button>
        </div>
      )}
    </div>
  );
}
