/** Chooses the screen: by the person's sign-in first, then by the route. */
import { useEffect, useState } from 'preact/hooks';
import type { App } from './core/app.ts';
import { nextFrame } from './core/browser.ts';
import { parseRoute, type Route } from './core/routes.ts';
import type { MeshState } from './core/state.ts';
import { useStore, useStoreBy } from './core/store.ts';
import { AttentionScreen } from './screens/attention.tsx';
import { MachinesScreen } from './screens/machines.tsx';
import { MissionsScreen } from './screens/missions.tsx';
import { SettingsScreen } from './screens/settings.tsx';
import { SignInScreen, WaitScreen } from './screens/sign-in.tsx';
import { ThreadsScreen } from './screens/threads.tsx';
import { WaitsScreen } from './screens/waits.tsx';
import { Shell } from './ui/shell.tsx';

function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const listener = () => {
      setRoute(parseRoute(location.hash));
      window.scrollTo(0, 0);
      // Whoever uses a keyboard or a screen reader goes on in the new screen, not behind the link that was pressed.
      document.getElementById('main')?.focus({ preventScroll: true });
    };
    window.addEventListener('hashchange', listener);
    return () => window.removeEventListener('hashchange', listener);
  }, []);
  return route;
}

export function Root({ app }: { readonly app: App }) {
  const signIn = useStore(app.signIn);
  // Events come in bursts; nobody sees more than a screen's worth of frames.
  const state = useStoreBy(app.mesh, nextFrame);
  const route = useRoute();
  if (signIn.state === 'out') return <SignInScreen app={app} problem={signIn.problem} />;
  if (signIn.state === 'signing-in' || state === undefined) {
    return <WaitScreen app={app} signingIn={signIn.state === 'signing-in'} />;
  }
  return (
    <Shell app={app} state={state} route={route}>
      <Screen app={app} state={state} route={route} />
    </Shell>
  );
}

function Screen({ app, state, route }: { readonly app: App; readonly state: MeshState; readonly route: Route }) {
  switch (route.at) {
    case 'threads':
      return <ThreadsScreen app={app} state={state} openId={undefined} />;
    case 'thread':
      return <ThreadsScreen app={app} state={state} openId={route.id} />;
    case 'missions':
      return <MissionsScreen app={app} state={state} openId={undefined} />;
    case 'mission':
      return <MissionsScreen app={app} state={state} openId={route.id} />;
    case 'machines':
      return <MachinesScreen app={app} state={state} />;
    case 'waits':
      return <WaitsScreen app={app} state={state} />;
    case 'settings':
      return <SettingsScreen app={app} />;
    default:
      return <AttentionScreen app={app} state={state} card={route.at === 'attention' ? route.card : undefined} />;
  }
}
