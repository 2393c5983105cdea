/** Starts the app: builds the parts, wires them to the browser, draws. */
import './core/zod-setup.ts';
import { render } from 'preact';
import './styles/index.css';
import { Root } from './root.tsx';
import { createApi } from './core/api.ts';
import { App } from './core/app.ts';
import { browserFetch, browserStream, browserTimers, onTouch } from './core/browser.ts';
import { Presence } from './core/presence.ts';
import { browserPush } from './core/push-browser.ts';
import { parseRoute } from './core/routes.ts';
import { lookForUpdate, onOpenedFromNotice, registerWorker } from './core/updates.ts';

const app = new App(
  createApi(browserFetch),
  { ...browserStream, looking: () => presence.looking() },
  { hidden: browserStream.hidden, route: () => parseRoute(location.hash), push: browserPush },
);
const presence = new Presence({
  timers: browserTimers,
  hidden: browserStream.hidden,
  changed: () => app.lookingChanged(),
});

/** A sign-in code is taken out of the address bar and the history before anything else happens with it. */
function takeCode(): string | undefined {
  const route = parseRoute(location.hash);
  if (route.at !== 'sign-in') return undefined;
  history.replaceState(null, '', '#/attention');
  return route.code;
}

window.addEventListener('hashchange', () => {
  const code = takeCode();
  if (code !== undefined) void app.signInWith(code);
});
document.addEventListener('visibilitychange', () => {
  presence.visibilityChanged();
  app.visibilityChanged();
});
onTouch(() => presence.touched());
onOpenedFromNotice((path) => {
  location.hash = new URL(path, location.origin).hash;
});
window.addEventListener('online', () => app.retryNow());
let wasLost = false;
app.connection.subscribe(() => {
  const state = app.connection.get().state;
  if (state === 'live' && wasLost) lookForUpdate();
  wasLost = state === 'lost' || state === 'paused';
});

const code = takeCode();
const place = document.getElementById('app');
if (place !== null) render(<Root app={app} />, place);
void (code === undefined ? app.start() : app.signInWith(code));
void registerWorker();
