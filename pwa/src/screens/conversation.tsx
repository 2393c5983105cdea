/** One thread as a conversation, its messages with their states, and a box to write into it. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Message } from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import { mayAct, type App } from '../core/app.ts';
import { isHuman, machineName, sortedMessages, type MeshState } from '../core/state.ts';
import { messageStateLabel, plainTitle } from '../core/words.ts';
import { Ago, Chip, Problem, useAction, useFetch } from '../ui/bits.tsx';
import { BackIcon } from '../ui/icons.tsx';
import { AgentText } from '../ui/text.tsx';
import { Compose } from './compose.tsx';
import { TraceDialog } from './trace.tsx';

export function Conversation(props: { readonly app: App; readonly state: MeshState; readonly threadId: string }) {
  const { app, state, threadId } = props;
  const opened = state.opened.get(threadId);
  const thread = state.threads.get(threadId);
  const messages = opened === undefined ? [] : sortedMessages(opened);
  const [traced, setTraced] = useState<string | undefined>(undefined);
  const older = useAction();
  // Anew after every snapshot: what happened while we were away is only there.
  const fetched = useFetch(`${threadId} ${state.base}`, () => app.openThread(threadId));
  const error = fetched.error ?? older.error;
  useSeen(app, messages);
  const end = useStickToEnd(messages.at(-1)?.id);
  const oldest = messages[0];
  const tracedMessage = traced === undefined ? undefined : opened?.messages.get(traced);
  return (
    <section class="conversation" aria-labelledby="conversation-title">
      <header class="conversation-head">
        <a class="icon-button back" href="#/threads" aria-label="Back to all threads">
          <BackIcon />
        </a>
        <div>
          <h2 id="conversation-title">{plainTitle(thread?.title ?? 'Thread')}</h2>
          <p class="conversation-who">
            {[...new Set((thread?.participants ?? []).map(agentPart))]
              .map((address) => describeAddress(state, address))
              .map(({ who, where }) => (where === '' || who === 'You' ? who : `${who} (${where})`))
              .join(' · ')}
          </p>
        </div>
      </header>
      {error !== undefined && <Problem error={error} />}
      <div class="messages">
        {opened?.more === true && oldest !== undefined && (
          <button
            type="button"
            class="button small older"
            disabled={older.busy}
            onClick={() => older.run(() => app.openThread(threadId, oldest.id))}
          >
            {older.busy ? 'Fetching…' : 'Show older messages'}
          </button>
        )}
        {opened === undefined && error === undefined && <p class="hint">Fetching the conversation…</p>}
        <ol>
          {messages.map((message) => (
            <li key={message.id} class={`side-${sideOf(message, messages)}`}>
              <MessageView state={state} message={message} onTrace={() => setTraced(message.id)} />
            </li>
          ))}
        </ol>
        <div class="messages-end" ref={end} />
      </div>
      {thread !== undefined && mayAct(state.me) && (
        <Compose app={app} state={state} thread={thread} messages={messages} />
      )}
      {tracedMessage !== undefined && (
        <TraceDialog app={app} state={state} message={tracedMessage} onClose={() => setTraced(undefined)} />
      )}
    </section>
  );
}

/** People stand right. Between two agents, the one that began stands left. */
function sideOf(message: Message, messages: readonly Message[]): 'left' | 'right' {
  if (isHuman(message.from)) return 'right';
  if (messages.some((other) => isHuman(other.from))) return 'left';
  return agentPart(message.from) === agentPart(messages[0]?.from ?? message.from) ? 'left' : 'right';
}

function agentPart(address: string): string {
  return address.split('#', 1)[0] ?? address;
}

/** Says that a person sees these messages, once the page is in front of one. */
function useSeen(app: App, messages: readonly Message[]): void {
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === 'visible') app.sawMessages(messages);
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  });
}

/** Keeps the newest message in view when it comes, unless the person reads further up. */
function useStickToEnd(newest: string | undefined) {
  const end = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  useLayoutEffect(() => {
    if (newest === undefined) return;
    const box = end.current;
    if (box === null) return;
    const near = box.getBoundingClientRect().top < window.innerHeight + 240;
    if (first.current || near) box.scrollIntoView({ block: 'end' });
    first.current = false;
  }, [newest]);
  return end;
}

function MessageView(props: { readonly state: MeshState; readonly message: Message; readonly onTrace: () => void }) {
  const { state, message, onTrace } = props;
  const label = messageStateLabel(message.state, machineName(state, message.place));
  const from = describeAddress(state, message.from);
  return (
    <article
      class={`message message-${message.kind}`}
      data-message={message.id}
      onClick={(event) => {
        // A tap opens the trace; selecting text or following a button does not.
        if (event.target instanceof Element && event.target.closest('button, a') !== null) return;
        if ((getSelection()?.toString() ?? '') === '') onTrace();
      }}
    >
      <header class="message-head">
        <b title={message.from}>{from.who}</b>
        {!isHuman(message.from) && <span>{from.where}</span>}
        {message.kind === 'ask' && <span class="message-kind">asks</span>}
        {message.kind === 'notice' && <span class="message-kind">notice</span>}
        <Ago time={message.createdAt} />
      </header>
      <AgentText text={message.body} />
      <footer class="message-foot">
        <button
          type="button"
          class="state-button"
          onClick={onTrace}
          aria-label={`${label.text}. Show the way of this message`}
        >
          <Chip tone={label.tone}>{label.text}</Chip>
        </button>
        {message.state === 'held' && state.approvals.get(message.approvalId ?? '')?.state === 'pending' && (
          <a class="decide-link" href="#/approvals">
            Decide
          </a>
        )}
        {message.reason !== undefined && <span class="message-reason">{message.reason}</span>}
      </footer>
    </article>
  );
}
