/**
 * Where in the app we are, written behind the `#` (the hub never sees it). A sign-in code stands there too, for one moment: it is taken
 * out of the address bar before it is used.
 */
export type Route =
  | { readonly at: 'attention' }
  | { readonly at: 'waits' }
  | { readonly at: 'settings' }
  | { readonly at: 'threads' }
  | { readonly at: 'thread'; readonly id: string }
  | { readonly at: 'missions' }
  | { readonly at: 'mission'; readonly id: string }
  | { readonly at: 'machines' }
  | { readonly at: 'sign-in'; readonly code: string };

export function parseRoute(hash: string): Route {
  const [first = '', second = ''] = hash.replace(/^#?\/?/, '').split('/');
  const rest = decode(second);
  switch (first) {
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
    // Also what the first screen was called before, in links that people kept.
    default:
      return { at: 'attention' };
  }
}

export function hrefOf(route: Route): string {
  switch (route.at) {
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

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
