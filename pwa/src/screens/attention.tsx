/**
 * The first screen: who waits for the person, with the card to answer at once; then all other sessions; beside them (on a phone: below) what
 * agents announced, how far the limits are used, and what was decided lately.
 */
import { useMemo, useRef, useState } from 'preact/hooks';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import { mayAct, type App } from '../core/app.ts';
import { createChoice } from '../core/choice.ts';
import { hrefOf } from '../core/routes.ts';
import {
  sessionParts,
  sessionRows,
  waitingItems,
  type Grouping,
  type SessionPart,
  type SessionRow,
  type WaitingItem,
} from '../core/sessions.ts';
import type { MeshState } from '../core/state.ts';
import { useStore } from '../core/store.ts';
import { Empty } from '../ui/bits.tsx';
import { useGoTo } from '../ui/go-to.ts';
import { useSettled } from '../ui/settled.ts';
import { AnnouncementFeed } from './announcements.tsx';
import { NewMessageDialog } from './compose.tsx';
import { DecidedList } from './decided-row.tsx';
import { SessionRowView } from './session-row.tsx';
import { UsageOverview } from './usage.tsx';
import { WaitingCard } from './waiting-card.tsx';
import { WaitingIndex } from './waiting-index.tsx';

/** From so many on the cards no longer fit on a screen, and a list of them comes first. */
const INDEX_FROM = 3;

const grouping = createChoice<Grouping>('intercom.grouping', ['state', 'project', 'machine']);

export function AttentionScreen(props: {
  readonly app: App;
  readonly state: MeshState;
  /** What to go to: an approval's id, or a session's key. */
  readonly card: string | undefined;
}) {
  const { app, state } = props;
  const { agents, approvals } = state;
  const rows = useMemo(() => sessionRows(state), [agents]);
  const items = useMemo(() => waitingItems(state, rows), [rows, approvals]);
  const hasIndex = items.length >= INDEX_FROM;
  // The index above the cards moves them as it grows.
  const settled = useSettled([hasIndex ? `index of ${items.length}` : 'no index', ...items.map(({ id }) => id)]);
  useGoTo(props.card, (named) => placeOfCard(named, items, rows, state));
  const heading = useRef<HTMLHeadingElement>(null);
  const waiting = items.length + (state.unlisted?.count ?? 0);
  return (
    <div class="attention">
      <section class="attention-waiting" aria-labelledby="waiting-title">
        <header class="attention-head">
          <h1 id="waiting-title" ref={heading} tabIndex={-1}>
            Attention
            {waiting > 0 && <span class="count">{waiting}</span>}
          </h1>
          {rows.length > 0 && <Summary rows={rows} />}
        </header>
        {!mayAct(state.me) && (
          <p class="hint">You may look, but not decide: your role is “viewer”. The owner of the hub can change that.</p>
        )}
        {waiting === 0 && <Nothing hasSessions={rows.length > 0} />}
        {hasIndex && <WaitingIndex state={state} items={items} />}
        <ul class="cards">
          {items.map((item) => (
            <li key={item.id}>
              <WaitingCard
                app={app}
                state={state}
                item={item}
                settled={settled}
                onDecided={() => heading.current?.focus()}
              />
            </li>
          ))}
        </ul>
        {state.unlisted !== undefined && <MorePending app={app} count={state.unlisted.count} />}
      </section>
      <Sessions app={app} state={state} rows={rows} />
      <aside class="attention-aside" aria-label="News">
        <AnnouncementFeed state={state} />
        <UsageOverview state={state} />
        <DecidedList state={state} />
      </aside>
    </div>
  );
}

/** The card where there is one, else the row of the session, or what was decided. */
function placeOfCard(
  named: string,
  items: readonly WaitingItem[],
  rows: readonly SessionRow[],
  state: MeshState,
): string | undefined {
  const item = items.find(({ id, row }) => id === named || row?.key === named);
  if (item !== undefined) return item.id;
  return state.approvals.has(named) || rows.some(({ key }) => key === named) ? `of ${named}` : undefined;
}

/** The whole in one line: how many of what. */
function Summary({ rows }: { readonly rows: readonly SessionRow[] }) {
  const count = (...groups: SessionRow['group'][]) => rows.filter(({ group }) => groups.includes(group)).length;
  const parts = [
    [count('stalled'), 'silent'],
    [count('limited'), 'at a limit'],
    [count('working'), 'at work'],
    [count('idle'), 'idle'],
  ] as const;
  const words = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return (
    <p class="attention-summary">
      <span>{words.join(' · ')}</span>
      <a href={hrefOf({ at: 'waits' })}>How long agents waited</a>
    </p>
  );
}

function Nothing({ hasSessions }: { readonly hasSessions: boolean }) {
  return (
    <Empty title="Nothing waits for you">
      {hasSessions ? (
        <p>As soon as an agent asks for a permission, an answer or a word of yours, it stands here with its card.</p>
      ) : (
        <>
          <p>Agents that ask for a permission, a question or a plan appear here at once, and you answer them here.</p>
          <p>So do messages between agents where your rules say “ask”, and machines that want to join.</p>
        </>
      )}
    </Empty>
  );
}

const GROUPINGS: readonly { readonly by: Grouping; readonly label: string }[] = [
  { by: 'state', label: 'By state' },
  { by: 'project', label: 'By project' },
  { by: 'machine', label: 'By machine' },
];

function Sessions(props: { readonly app: App; readonly state: MeshState; readonly rows: readonly SessionRow[] }) {
  const { app, state, rows } = props;
  const by = useStore(grouping.store);
  const parts = useMemo(() => sessionParts(rows, by), [rows, by]);
  const [writeTo, setWriteTo] = useState<string | undefined>(undefined);
  if (rows.length === 0) return null;
  return (
    <section class="sessions" aria-labelledby="sessions-title">
      <header class="sessions-head">
        <h2 id="sessions-title">Sessions</h2>
        <div class="segments" role="group" aria-label="Group the sessions">
          {GROUPINGS.map((one) => (
            <button
              key={one.by}
              type="button"
              class="segment"
              aria-pressed={by === one.by}
              onClick={() => grouping.choose(one.by)}
            >
              {one.label}
            </button>
          ))}
        </div>
      </header>
      {parts.map((part) => (
        <Part key={part.key} part={part} state={state} onWrite={mayAct(state.me) ? setWriteTo : undefined} />
      ))}
      {parts.length === 0 && <p class="hint">All of them wait; they stand above.</p>}
      {writeTo !== undefined && (
        <NewMessageDialog app={app} state={state} to={writeTo} onClose={() => setWriteTo(undefined)} />
      )}
    </section>
  );
}

function Part(props: {
  readonly part: SessionPart;
  readonly state: MeshState;
  readonly onWrite: ((address: string) => void) | undefined;
}) {
  const { part, state, onWrite } = props;
  const waits = part.waiting === 0 ? '' : part.waiting === 1 ? '1 waits, above' : `${part.waiting} wait, above`;
  return (
    <section class="part" aria-label={part.title}>
      <h3 class="part-title">
        {part.title}
        {part.rows.length > 0 && <span class="part-count">{part.rows.length}</span>}
        {waits !== '' && <span class="part-waits">{waits}</span>}
      </h3>
      <ul class="rows">
        {part.rows.map(({ key, ...row }) => (
          <li key={key}>
            <SessionRowView {...row} id={key} usage={state.attention.sessions.get(key)} onWrite={onWrite} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Cards that wait and are not here yet: said, and fetched when asked for. */
function MorePending({ app, count }: { readonly app: App; readonly count: number }) {
  const [busy, setBusy] = useState(false);
  const more = (): void => {
    setBusy(true);
    app
      .morePending()
      .catch((thrown: unknown) => app.toast('bad', toIntercomError(thrown).message))
      .finally(() => setBusy(false));
  };
  return (
    <p class="hint">
      And {count} more {count === 1 ? 'waits' : 'wait'}.{' '}
      <button type="button" class="text-button" disabled={busy} onClick={more}>
        {busy ? 'Fetching …' : 'Show more'}
      </button>
    </p>
  );
}
