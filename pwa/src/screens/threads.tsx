/** All conversations, newest first, and beside it (on a phone: instead of it) the opened one. */
import { useState } from 'preact/hooks';
import type { Thread } from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import type { App } from '../core/app.ts';
import { hrefOf } from '../core/routes.ts';
import { sortedThreads, THREADS_MAX, type MeshState } from '../core/state.ts';
import { Ago, Chip, Command, Empty, Problem, useAction } from '../ui/bits.tsx';
import { plainTitle } from '../core/words.ts';
import { Conversation } from './conversation.tsx';

/** As many as a snapshot brings; with fewer there are no older ones. */
const FIRST_THREADS = 50;

export function ThreadsScreen(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly openId: string | undefined;
}) {
  const { app, state, openId } = props;
  const threads = sortedThreads(state.threads);
  return (
    <div class={openId === undefined ? 'threads' : 'threads has-open'}>
      <section class="thread-list" aria-labelledby="threads-title">
        <h1 id="threads-title">Threads</h1>
        {threads.length === 0 ? (
          <Empty title="No conversations yet">
            <p>What agents write to each other, and to you, is kept here.</p>
            <p>
              Write to one from <a href="#/machines">Machines</a>, or let your agents use intercom:
            </p>
            <Command text="intercom hooks install" />
          </Empty>
        ) : (
          <ul>
            {threads.map((thread) => (
              <li key={thread.id}>
                <ThreadRow state={state} thread={thread} here={thread.id === openId} />
              </li>
            ))}
          </ul>
        )}
        {threads.length >= FIRST_THREADS && <OlderThreads app={app} full={threads.length >= THREADS_MAX} />}
      </section>
      {openId === undefined && threads.length > 0 && (
        <section class="conversation placeholder">
          <p>Choose a thread to read it here.</p>
        </section>
      )}
      {openId !== undefined && <Conversation key={openId} app={app} state={state} threadId={openId} />}
    </div>
  );
}

function OlderThreads({ app, full }: { readonly app: App; readonly full: boolean }) {
  const [more, setMore] = useState(true);
  const { busy, error, run } = useAction();
  if (!more) return null;
  if (full) return <p class="hint">These are the newest {THREADS_MAX}. Older ones are kept by the hub.</p>;
  return (
    <>
      {error !== undefined && <Problem error={error} />}
      <button
        type="button"
        class="button small"
        disabled={busy}
        onClick={() =>
          run(async () => {
            setMore(await app.olderThreads());
          })
        }
      >
        {busy ? 'Fetching…' : 'Show older threads'}
      </button>
    </>
  );
}

function ThreadRow({
  state,
  thread,
  here,
}: {
  readonly state: MeshState;
  readonly thread: Thread;
  readonly here: boolean;
}) {
  const names = new Set(thread.participants.map((address) => describeAddress(state, address).who));
  return (
    <a
      class="thread-row"
      href={hrefOf({ at: 'thread', id: thread.id })}
      {...(here ? { 'aria-current': 'true' as const } : {})}
    >
      <span class="thread-names">{[...names].join(' · ')}</span>
      <span class="thread-age">
        <Ago time={thread.lastMessageAt} />
      </span>
      <span class="thread-title">{plainTitle(thread.title)}</span>
      {thread.messageCount > 1 && (
        <span class="thread-last">
          <b>{describeAddress(state, thread.lastFrom).who}: </b>
          {plainTitle(thread.lastText)}
        </span>
      )}
      {thread.held > 0 && (
        <span class="thread-held">
          <Chip tone="wait">{thread.held === 1 ? 'One waits for approval' : `${thread.held} wait for approval`}</Chip>
        </span>
      )}
    </a>
  );
}
