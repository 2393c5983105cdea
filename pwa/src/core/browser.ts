/** The browser's side of the parts that the app is handed: sockets, timers, the page's visibility. The only file that reaches for them. */
import type { Fetch } from './api.ts';
import type { Socket, StreamDeps, Timers } from './stream.ts';

export const browserFetch: Fetch = (path, init) => fetch(path, init);

export const browserTimers: Timers = {
  now: () => Date.now(),
  set: (action, ms) => window.setTimeout(action, ms),
  clear: (id) => window.clearTimeout(id),
};

export const browserStream: Omit<StreamDeps, 'looking'> = {
  open: openSocket,
  timers: browserTimers,
  random: () => Math.random(),
  hidden: () => document.visibilityState === 'hidden',
};

/** Everything by which a person shows that they are there. */
export function onTouch(touched: () => void): void {
  for (const name of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'] as const) {
    window.addEventListener(name, touched, { passive: true, capture: true });
  }
}

function openSocket(path: string): Socket {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const web = new WebSocket(url);
  const socket: Socket = {
    onmessage: null,
    onclose: null,
    close: () => web.close(),
    send: (text) => {
      if (web.readyState === WebSocket.OPEN) web.send(text);
    },
  };
  web.addEventListener('message', (event: MessageEvent<unknown>) => socket.onmessage?.({ data: event.data }));
  web.addEventListener('close', () => socket.onclose?.());
  return socket;
}

/** Frames do not come while a page is hidden, and its title still counts; ms. */
const FRAME_MAX = 100;

/** With the next frame of the screen, or soon where there are none. */
export function nextFrame(draw: () => void): void {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    draw();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, FRAME_MAX);
}

/** Copies a text; false where the browser does not let us (it does so on https and loopback only). */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
