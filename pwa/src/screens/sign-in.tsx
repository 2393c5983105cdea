/** Before anything else: who are you? Says how to get a link, and what went wrong with the last one. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { IntercomError } from '../../../src/protocol/errors.ts';
import type { App } from '../core/app.ts';
import { useStore } from '../core/store.ts';
import { takeUpdate } from '../core/updates.ts';
import { Command, Problem } from '../ui/bits.tsx';
import { Mark } from '../ui/icons.tsx';
import { ThemeButton } from '../ui/shell.tsx';

export function SignInScreen({ app, problem }: { readonly app: App; readonly problem: IntercomError | undefined }) {
  const [code, setCode] = useState('');
  return (
    <div class="gate">
      <div class="gate-tools">
        <ThemeButton />
      </div>
      <main class="gate-card">
        <Mark />
        <h1>Sign in</h1>
        <p class="lead">This page opens with a one-time link, so that nobody needs a password.</p>
        {problem !== undefined && <Problem error={problem} />}
        <ol class="steps">
          <li>
            <p>On the machine where the hub runs, ask for a link:</p>
            <Command text="intercom login --link" />
          </li>
          <li>
            <p>
              Open the link in this browser. With Telegram, <code>/start</code> to the bot gives you one too.
            </p>
          </li>
        </ol>
        <form
          class="code-form"
          onSubmit={(event) => {
            event.preventDefault();
            const text = codeIn(code);
            if (text !== '') void app.signInWith(text);
          }}
        >
          <label for="code">Or paste the link or its code here</label>
          <div class="field-row">
            <input
              id="code"
              class="input mono"
              name="code"
              autocomplete="one-time-code"
              autocapitalize="none"
              spellcheck={false}
              value={code}
              onInput={(event) => setCode(event.currentTarget.value)}
            />
            <button type="submit" class="button primary" disabled={codeIn(code) === ''}>
              Sign in
            </button>
          </div>
        </form>
      </main>
    </div>
  );
}

/** The code alone, also out of a whole link. */
function codeIn(text: string): string {
  const trimmed = text.trim();
  const marker = '#/sign-in/';
  const at = trimmed.indexOf(marker);
  const code = at < 0 ? trimmed : trimmed.slice(at + marker.length);
  return code.length >= 8 && code.length <= 100 ? code : '';
}

/** While the hub is asked for the first time, or does not answer, or answers in a way that this page is too old for. */
export function WaitScreen({ app, signingIn }: { readonly app: App; readonly signingIn: boolean }) {
  const lost = useStore(app.connection).state === 'lost';
  const outdated = useStore(app.outdated);
  const problem = useStore(app.problem);
  if (outdated) {
    return (
      <Gate
        title="This page is older than the hub"
        text="The hub was upgraded. Reload, and you have the page that fits."
      >
        <button type="button" class="button primary" onClick={takeUpdate}>
          Reload
        </button>
      </Gate>
    );
  }
  if (lost) {
    const refused = problem !== undefined && problem.code !== 'unreachable';
    return (
      <Gate
        title={refused ? 'The hub cannot answer now' : 'The hub does not answer'}
        text="Look whether it runs (intercom status) and whether this device is in its network. This page goes on trying."
      >
        {refused && <Problem error={problem} />}
        <button type="button" class="button primary" onClick={() => app.retryNow()}>
          Try now
        </button>
      </Gate>
    );
  }
  return <Gate title={signingIn ? 'Signing you in' : 'One moment'} text="Talking to the hub." busy />;
}

function Gate(props: {
  readonly title: string;
  readonly text: string;
  readonly busy?: boolean;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="gate">
      <main class="gate-card wait" aria-busy={props.busy === true}>
        <Mark />
        <h1>{props.title}</h1>
        <p class="lead" role="status">
          {props.text}
        </p>
        {props.children}
      </main>
    </div>
  );
}
