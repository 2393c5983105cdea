/** Where the operator writes. A draft outlives a change of screen; a repeat after a lost answer never makes a second message. */
import { useId, useState } from 'preact/hooks';
import { newId } from '../../../src/protocol/ids.ts';
import type { Message, Thread } from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import type { App } from '../core/app.ts';
import type { NewMessage } from '../core/api.ts';
import { useDraft, type Drafts } from '../core/drafts.ts';
import { isHuman, type MeshState } from '../core/state.ts';
import { Dialog, Problem, useAction } from '../ui/bits.tsx';
import { SendIcon } from '../ui/icons.tsx';
interface Draft {
  readonly text: string;
  /** The idempotency key of this text. */
  readonly key: string;
}
const messages: Drafts<Draft> = new Map();

function useMessageDraft(place: string): {
  readonly draft: Draft;
  readonly write: (text: string) => void;
  readonly clear: () => void;
} {
  const { draft, keep, forget } = useDraft(messages, place, () => ({ text: '', key: newId('log') }));
  // Another text is another message.
  return { draft, write: (text) => keep({ text, key: newId('log') }), clear: forget };
}

export function Compose(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly thread: Thread;
  readonly messages: readonly Message[];
}) {
  const { app, state, thread } = props;
  const recipients = thread.participants.filter((address) => !isHuman(address));
  const last = props.messages.findLast((message) => !isHuman(message.from) && recipients.includes(message.from));
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const to = chosen ?? last?.from ?? recipients[0];
  const { draft, write, clear } = useMessageDraft(thread.id);
  const { busy, error, run } = useAction();
  const id = useId();
  if (to === undefined) return null;
  const send = () => {
    if (draft.text.trim() === '') return;
    const answers = props.messages.findLast((message) => message.from === to);
    const message: NewMessage = {
      to,
      threadId: thread.id,
      kind: 'reply',
      body: draft.text,
      ...(answers === undefined ? {} : { inReplyTo: answers.id }),
    };
    run(async () => {
      await app.send(message, draft.key);
      clear();
      await app.openThread(thread.id);
    });
  };
  return (
    <form
      class="compose"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {error !== undefined && <Problem error={error} />}
      {recipients.length > 1 && (
        <div class="compose-to">
          <label for={`${id}-to`}>To</label>
          <select id={`${id}-to`} class="input" value={to} onChange={(event) => setChosen(event.currentTarget.value)}>
            {recipients.map((address) => (
              <option key={address} value={address}>
                {optionText(state, address)}
              </option>
            ))}
          </select>
        </div>
      )}
      <div class="compose-row">
        <label class="visually-hidden" for={id}>
          Write to {describeAddress(state, to).who}
        </label>
        <textarea
          id={id}
          class="input"
          rows={1}
          placeholder={`Write to ${describeAddress(state, to).who}`}
          value={draft.text}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => sendKey(event, send)}
        />
        <button type="submit" class="icon-button send" aria-label="Send" disabled={busy || draft.text.trim() === ''}>
          <SendIcon />
        </button>
      </div>
    </form>
  );
}

/** A first message to an agent. */
export function NewMessageDialog(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly to: string;
  readonly onClose: () => void;
}) {
  const { app, to } = props;
  const { who, where } = describeAddress(props.state, to);
  const { draft, write, clear } = useMessageDraft(`new:${to}`);
  const [answer, setAnswer] = useState(true);
  const { busy, error, run } = useAction();
  const id = useId();
  const send = () => {
    if (draft.text.trim() === '') return;
    run(async () => {
      const status = await app.send({ to, kind: answer ? 'chat' : 'send', body: draft.text }, draft.key);
      clear();
      app.toast('good', `Sent. It is on its way to ${who}.`);
      location.hash = `#/threads/${status.threadId}`;
    });
  };
  return (
    <Dialog title={`Write to ${who}`} onClose={props.onClose}>
      <form
        class="new-message"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <p class="hint">
          <span class="mono">{to}</span> on {where}
        </p>
        {error !== undefined && <Problem error={error} />}
        <label for={id}>Your message</label>
        <textarea
          id={id}
          class="input"
          rows={6}
          autoFocus
          value={draft.text}
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={(event) => sendKey(event, send)}
        />
        <label class="check">
          <input type="checkbox" checked={answer} onChange={(event) => setAnswer(event.currentTarget.checked)} />
          Open a conversation, so that it can answer
        </label>
        <div class="actions-main">
          <button type="submit" class="button primary" disabled={busy || draft.text.trim() === ''}>
            {busy ? 'Sending…' : 'Send'}
          </button>
          <button type="button" class="button" onClick={props.onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function optionText(state: MeshState, address: string): string {
  const { who, where } = describeAddress(state, address);
  return where === '' ? who : `${who} (${where})`;
}

/** Control or Command and Enter sends; Enter alone makes a line, as phones need it. */
function sendKey(event: KeyboardEvent, send: () => void): void {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  send();
}
