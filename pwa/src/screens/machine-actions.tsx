/** What the owner may do with a machine. Everything that cuts it off asks once more, in words. */
import { useId, useState } from 'preact/hooks';
import type { Machine } from '../../../src/protocol/model.ts';
import type { App } from '../core/app.ts';
import { Dialog, Problem, useAction } from '../ui/bits.tsx';

type Action = 'rename' | 'rotate' | 'revoke' | 'remove';

interface ActionWords {
  readonly title: (name: string) => string;
  readonly text: string;
  readonly button: string;
  readonly done: (name: string) => string;
}
const WORDS: Readonly<Record<Exclude<Action, 'rename'>, ActionWords>> = {
  rotate: {
    title: (name) => `Give ${name} a new secret?`,
    text: 'The machine gets a new secret over its connection; the old one stops working shortly after. Nothing is lost.',
    button: 'Give a new secret',
    done: (name) => `${name} gets a new secret.`,
  },
  revoke: {
    title: (name) => `Revoke ${name}?`,
    text: 'Its secret is worthless at once: it can send and receive nothing until it joins again. Its messages are kept.',
    button: 'Revoke it',
    done: (name) => `${name} is revoked.`,
  },
  remove: {
    title: (name) => `Remove ${name}?`,
    text: 'It disappears from the mesh with its projects. Conversations stay readable. To come back, it has to join again.',
    button: 'Remove it',
    done: (name) => `${name} is removed.`,
  },
};

export function MachineActions({ app, machine }: { readonly app: App; readonly machine: Machine }) {
  const [asked, setAsked] = useState<Action | undefined>(undefined);
  const close = () => setAsked(undefined);
  return (
    <details class="manage">
      <summary>Manage</summary>
      <div class="manage-row">
        <button type="button" class="button small" onClick={() => setAsked('rename')}>
          Rename
        </button>
        {machine.status !== 'revoked' && (
          <>
            <button type="button" class="button small" onClick={() => setAsked('rotate')}>
              New secret
            </button>
            <button type="button" class="button small deny" onClick={() => setAsked('revoke')}>
              Revoke
            </button>
          </>
        )}
        <button type="button" class="button small deny" onClick={() => setAsked('remove')}>
          Remove
        </button>
      </div>
      {asked === 'rename' && <RenameDialog app={app} machine={machine} onClose={close} />}
      {asked !== undefined && asked !== 'rename' && (
        <ConfirmDialog app={app} machine={machine} action={asked} onClose={close} />
      )}
    </details>
  );
}

function ConfirmDialog(props: {
  readonly app: App;
  readonly machine: Machine;
  readonly action: Exclude<Action, 'rename'>;
  readonly onClose: () => void;
}) {
  const { app, machine, action, onClose } = props;
  const words = WORDS[action];
  const { busy, error, run } = useAction();
  const confirm = () =>
    run(async () => {
      if (action === 'rotate') await app.rotateMachine(machine.id);
      else if (action === 'revoke') await app.revokeMachine(machine.id);
      else await app.removeMachine(machine.id);
      app.toast('good', words.done(machine.displayName));
      onClose();
    });
  return (
    <Dialog title={words.title(machine.displayName)} onClose={onClose}>
      <p>{words.text}</p>
      {error !== undefined && <Problem error={error} />}
      <div class="actions-main">
        <button
          type="button"
          class={action === 'rotate' ? 'button primary' : 'button danger'}
          disabled={busy}
          onClick={confirm}
        >
          {busy ? 'Telling the hub…' : words.button}
        </button>
        <button type="button" class="button" onClick={onClose}>
          Keep it as it is
        </button>
      </div>
    </Dialog>
  );
}

function RenameDialog({
  app,
  machine,
  onClose,
}: {
  readonly app: App;
  readonly machine: Machine;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState(machine.displayName);
  const { busy, error, run } = useAction();
  const id = useId();
  return (
    <Dialog title={`Rename ${machine.displayName}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(async () => {
            await app.renameMachine(machine.id, name.trim());
            onClose();
          });
        }}
      >
        <label for={id}>Name that people see. Its address stays {machine.id}.</label>
        <input
          id={id}
          class="input"
          maxLength={100}
          autoFocus
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        {error !== undefined && <Problem error={error} />}
        <div class="actions-main">
          <button type="submit" class="button primary" disabled={busy || name.trim() === ''}>
            {busy ? 'Saving…' : 'Save'}
          </button>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
