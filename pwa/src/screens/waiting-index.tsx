/** Everything that waits, a line each: who, what, since when. Pressed, it goes to the card. */
import { describeAddress } from '../core/addresses.ts';
import { WAIT_LABEL } from '../core/attention-words.ts';
import type { WaitingItem } from '../core/sessions.ts';
import type { MeshState } from '../core/state.ts';
import { plainTitle } from '../core/words.ts';
import { Ago } from '../ui/bits.tsx';
import { goToPlace } from '../ui/go-to.ts';
import { subjectLabel } from './approval-subject.tsx';
import { toolLine } from '../../../src/protocol/tool-line.ts';

export function WaitingIndex(props: { readonly state: MeshState; readonly items: readonly WaitingItem[] }) {
  return (
    <ul class="index" aria-label="Who waits">
      {props.items.map((item) => {
        const { who, what } = lineOf(props.state, item);
        return (
          <li key={item.id}>
            <button type="button" class="index-link" onClick={() => goToPlace(item.id)}>
              <span class="lamp" aria-hidden="true" />
              <span class="index-who">{who}</span>
              <span class="index-what">{what}</span>
              <span class="index-age">
                <Ago time={item.since} />
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function lineOf(state: MeshState, item: WaitingItem): { readonly who: string; readonly what: string } {
  if (item.kind === 'session') {
    const { session } = item.row;
    return { who: session.project, what: session.waiting === undefined ? 'waits' : WAIT_LABEL[session.waiting.kind] };
  }
  const { subject } = item.approval;
  const label = subjectLabel(subject);
  if (subject.kind === 'join') return { who: subject.displayName, what: label };
  const { who } = describeAddress(state, subject.from);
  if (subject.kind === 'tool' && subject.plan !== true) return { who, what: toolLine(subject) };
  if (subject.kind === 'question') return { who, what: subject.summary };
  return { who, what: subject.kind === 'tool' ? label : `${label}: ${plainTitle(subject.body)}` };
}
