/**
 * Where in the app we are, written behind the `#` (the hub never sees it). A sign-in code stands there too, for one moment: it is taken
 * out of the address bar before it is used.
 */
import { sessionKey } from './session-key.ts';

export type Route =
  /** `card`: what to go to there, an approval's id or a session's `machine#session`. */
  | { readonly at: 'attention'; readonly card?: string }
  | { readonly at: 'waits' }
  | { readonly at: 'settings' }
  | { readonly at: 'threads' }
  | { readonly at: 'thread'; readonly id: string }
  | { readonly at: 'missions' }
  | { readonly at: 'mission'; readonly id: string }
  | { readonly at: 'machines' }
  | { readonly at: 'sign-in'; readonly code: string };

export function parseRoute(hash: string): Route {
  const [first = '', second = '', third = ''] = hash.replace(/^#?\/?/, '').split('/');
  const rest = decode(second);
  switch (first) {
    case 'approvals':
      return rest === '' ? { at: 'attention' } : { at: 'attention', card: rest };
    case 'sessions':
      return rest === '' || third === ''
        ? { at: 'attention' }
        : { at: 'attention', card: sessionKey(rest, decode(third)) };
    case 'threads':
      return rest === '' ? { at: 'threads' } : { at: 'thread', id: rest };
    case 'missions':
      return rest === '' ? { at: 'missions' } : { at: 'mission', id: rest };
    case 'machines':
    case 'waits':
    case 'settings':
      return { at: first };
    case 'sign-in':
      return rest === '' ? { at: 'attention' } : { at: 'sign-in', code: rest };
    default:
      return { at: 'attention' };
  }
}

export function hrefOf(route: Route): string {
  switch (route.at) {
    case 'attention':
      return route.card === undefined ? '#/attention' : hrefOfCard(route.card);
    case 'thread':
      return `#/threads/${encodeURIComponent(route.id)}`;
    case 'mission':
      return `#/missions/${encodeURIComponent(route.id)}`;
    case 'sign-in':
      return `#/sign-in/${encodeURIComponent(route.code)}`;
    default:
      return `#/${route.at}`;
  }
}

function hrefOfCard(card: string): string {
  const [machine = '', session] = card.split('#');
  if (session === undefined) return `#/approvals/${encodeURIComponent(card)}`;
  return `#/sessions/${encodeURIComponent(machine)}/${encodeURIComponent(session)}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
