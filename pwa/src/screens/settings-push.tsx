/** Notices on this device while the page is closed: how it stands, and the one button that helps. The browser asks only after a press. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { App } from '../core/app.ts';
import { useStore } from '../core/store.ts';
import { Chip, Problem, useAction } from '../ui/bits.tsx';

export function DeviceNotices({ app }: { readonly app: App }) {
  const { push } = app;
  const state = useStore(push.state);
  const { busy, error, run } = useAction();
  // What the system's settings say may have changed since.
  useEffect(() => run(() => push.look()), [push]);
  return (
    <section class="card settings-part" aria-labelledby="device-title" data-push={state.at}>
      <header class="settings-head">
        <h2 id="device-title">On this device</h2>
        {state.at === 'on' && <Chip tone="good">On</Chip>}
        {state.at === 'off' && <Chip tone="calm">Off</Chip>}
        {(state.at === 'denied' || state.at === 'unsupported' || state.at === 'needs_app') && (
          <Chip tone="calm">Not possible now</Chip>
        )}
      </header>
      {error !== undefined && <Problem error={error} />}
      {state.at === 'unknown' && <p class="hint">Looking…</p>}
      {state.at === 'unsupported' && <Words>{state.why} Telegram, or another browser, can tell you instead.</Words>}
      {state.at === 'needs_app' && (
        <Words>
          On iPhone and iPad only apps on the home screen may show notices. Press <strong>Share</strong>, then{' '}
          <strong>Add to Home Screen</strong>, open intercom from there, and come back to this place.
        </Words>
      )}
      {state.at === 'denied' && (
        <Words>
          Notices of this page are blocked in the browser. Allow them in its settings for this site, then come back.
        </Words>
      )}
      {state.at === 'off' && (
        <>
          <Words>Also while this page is closed. A permission can be allowed or denied on the notice itself.</Words>
          <button type="button" class="button primary" disabled={busy} onClick={() => run(() => push.switchOn())}>
            {busy ? 'One moment…' : 'Switch on notices here'}
          </button>
        </>
      )}
      {state.at === 'on' && (
        <>
          <Words>This device rings for what is ticked under “Devices” below.</Words>
          <button type="button" class="button" disabled={busy} onClick={() => run(() => push.switchOff())}>
            {busy ? 'One moment…' : 'Switch off here'}
          </button>
        </>
      )}
    </section>
  );
}

function Words({ children }: { readonly children: ComponentChildren }) {
  return <p class="hint">{children}</p>;
}
