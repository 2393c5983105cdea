/** The frame around every screen: navigation, the state of the line, notices, toasts, theme, sign-out. */
import type { ComponentChildren, FunctionComponent } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { App, Toast } from '../core/app.ts';
import { hrefOf, type Route } from '../core/routes.ts';
import { waitingCount } from '../core/sessions.ts';
import type { MeshState } from '../core/state.ts';
import { useStore } from '../core/store.ts';
import { chooseTheme, theme, THEMES, type Theme } from '../core/theme.ts';
import { ago, touchClock, useNow } from '../core/time.ts';
import { takeUpdate, updateReady } from '../core/updates.ts';
import {
  AttentionIcon,
  AutoIcon,
  BellIcon,
  CloseIcon,
  ExitIcon,
  MachinesIcon,
  Mark,
  MissionsIcon,
  MoonIcon,
  SunIcon,
  ThreadsIcon,
} from './icons.tsx';

interface Place {
  readonly route: Route;
  readonly label: string;
  readonly icon: FunctionComponent;
}
const PLACES: readonly Place[] = [
  { route: { at: 'attention' }, label: 'Attention', icon: AttentionIcon },
  { route: { at: 'threads' }, label: 'Threads', icon: ThreadsIcon },
  { route: { at: 'missions' }, label: 'Missions', icon: MissionsIcon },
  { route: { at: 'machines' }, label: 'Machines', icon: MachinesIcon },
];

export function Shell(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly route: Route;
  readonly children: ComponentChildren;
}) {
  const { agents, approvals, unlisted } = props.state;
  const waiting = useMemo(() => waitingCount(props.state), [agents, approvals, unlisted]);
  useEffect(() => {
    document.title = waiting === 0 ? 'intercom' : `(${waiting}) intercom`;
  }, [waiting]);
  return (
    <div class="shell">
      <a class="skip-link" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <header class="top">
        <span class="brand">
          <Mark />
          intercom
        </span>
        <Line app={props.app} />
        <div class="top-tools">
          <a
            class="icon-button"
            href={hrefOf({ at: 'settings' })}
            aria-label="Notices"
            title="Notices"
            {...(props.route.at === 'settings' ? { 'aria-current': 'page' as const } : {})}
          >
            <BellIcon />
          </a>
          <ThemeButton />
          <SignOutButton app={props.app} name={props.state.me.name} />
        </div>
      </header>
      <nav class="nav" aria-label="Places">
        {PLACES.map((place) => (
          <NavLink
            key={place.label}
            place={place}
            here={isHere(props.route, place.route)}
            count={countAt(place, waiting)}
          />
        ))}
      </nav>
      <main class="main" id="main" tabIndex={-1}>
        <Bars app={props.app} state={props.state} />
        {props.children}
      </main>
      <Toasts app={props.app} />
      <p class="visually-hidden" role="status">
        {waiting === 0 ? 'No one waits.' : waiting === 1 ? 'One thing waits.' : `${waiting} things wait.`}
      </p>
    </div>
  );
}

function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function isHere(route: Route, place: Route): boolean {
  if (route.at === 'thread') return place.at === 'threads';
  if (route.at === 'mission') return place.at === 'missions';
  if (route.at === 'waits') return place.at === 'attention';
  return route.at === place.at;
}

function countAt(place: Place, waiting: number): number {
  return place.route.at === 'attention' ? waiting : 0;
}

function NavLink({ place, here, count }: { readonly place: Place; readonly here: boolean; readonly count: number }) {
  const Icon = place.icon;
  return (
    <a class="nav-link" href={hrefOf(place.route)} {...(here ? { 'aria-current': 'page' as const } : {})}>
      <Icon />
      <span>{place.label}</span>
      {count > 0 && (
        <span class="badge">
          {count}
          <span class="visually-hidden"> waiting</span>
        </span>
      )}
    </a>
  );
}

const LINE_WORDS = {
  connecting: 'Connecting',
  live: 'Live',
  lost: 'Not connected',
  paused: 'Paused',
  off: 'Offline',
} as const;

function Line({ app }: { readonly app: App }) {
  const connection = useStore(app.connection);
  return (
    <span class={`line line-${connection.state}`} data-connection={connection.state}>
      <span class="lamp" aria-hidden="true" />
      <span class="line-word">{LINE_WORDS[connection.state]}</span>
    </span>
  );
}

/** What the person should know above everything else: the line, an update, the hub's notices. */
function Bars({ app, state }: { readonly app: App; readonly state: MeshState }) {
  const connection = useStore(app.connection);
  const update = useStore(updateReady);
  const outdated = useStore(app.outdated);
  const now = useNow();
  return (
    <>
      {connection.state === 'lost' && (
        <div class="bar tone-bad" role="status">
          <p>
            <strong>The line to the hub is lost</strong> since {ago(new Date(connection.since).toISOString(), now)}.
            What you see may be old; it comes back by itself.
          </p>
          <button
            type="button"
            class="button small"
            onClick={() => {
              touchClock();
              app.retryNow();
            }}
          >
            Try now
          </button>
        </div>
      )}
      {(update || outdated) && (
        <div class="bar tone-busy" role="status">
          <p>
            <strong>A new version of this page is ready.</strong>
          </p>
          <button type="button" class="button small" onClick={takeUpdate}>
            Reload
          </button>
        </div>
      )}
      {[...state.notices.values()].map((notice) => (
        <div
          key={notice.key}
          class={`bar tone-${notice.level === 'error' ? 'bad' : notice.level === 'warning' ? 'wait' : 'busy'}`}
          role="status"
        >
          <p>
            <strong>{notice.text}</strong> {notice.next}
          </p>
        </div>
      ))}
    </>
  );
}

const THEME_WORDS: Readonly<Record<Theme, string>> = { system: 'as the system', light: 'light', dark: 'dark' };
const THEME_ICONS: Readonly<Record<Theme, FunctionComponent>> = { system: AutoIcon, light: SunIcon, dark: MoonIcon };

export function ThemeButton() {
  const now = useStore(theme);
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? 'system';
  const Icon = THEME_ICONS[now];
  const label = `Colours: ${THEME_WORDS[now]}. Change to: ${THEME_WORDS[next]}`;
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={() => chooseTheme(next)}>
      <Icon />
    </button>
  );
}

function SignOutButton({ app, name }: { readonly app: App; readonly name: string }) {
  const [busy, setBusy] = useState(false);
  const label = `Sign out ${name}`;
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      disabled={busy}
      onClick={() => {
        setBusy(true);
        app.signOut().catch(() => {
          setBusy(false);
          app.toast('bad', 'You are still signed in: the hub did not answer.');
        });
      }}
    >
      <ExitIcon />
    </button>
  );
}

/** How long a toast stays unless it is closed, ms: time to read two sentences. */
const TOAST_TIME = 7000;

function Toasts({ app }: { readonly app: App }) {
  const toasts = useStore(app.toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <ToastView key={toast.id} app={app} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ app, toast }: { readonly app: App; readonly toast: Toast }) {
  const { id, tone, text, route } = toast;
  useEffect(() => {
    const timer = setTimeout(() => app.dismissToast(id), TOAST_TIME);
    return () => clearTimeout(timer);
  }, [app, id]);
  return (
    <div class={`toast tone-${tone}`}>
      <span class="lamp" aria-hidden="true" />
      <span>{text}</span>
      {route !== undefined && (
        <a class="toast-link" href={hrefOf(route)} onClick={() => app.dismissToast(id)}>
          Open
        </a>
      )}
      <button type="button" class="icon-button" aria-label="Close this message" onClick={() => app.dismissToast(id)}>
        <CloseIcon />
      </button>
    </div>
  );
}
