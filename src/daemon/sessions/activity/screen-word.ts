/** What a screen says about a session's activity: the recognisers' reading in the words of the fold. Pure. */
import { WaitKind } from '../../../protocol/attention.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import type { ScreenState } from '../../../protocol/runner-api.ts';
import { oneLine } from '../../agents/tool-words.ts';
import type { ScreenSeen } from './observations.ts';

export function screenSeen(screen: ScreenState, at: number): ScreenSeen {
  switch (screen.state) {
    case 'prompt':
      return { kind: 'screen', at, shows: 'prompt' };
    case 'working':
      return { kind: 'screen', at, shows: 'working' };
    case 'dialog':
      return { kind: 'screen', at, shows: 'dialog', wait: waitOf(screen), menu: screen.dialog === 'menu' };
    case 'rate_limited':
      return { kind: 'screen', at, shows: 'limit', wait: limitOf(screen) };
    case 'starting':
    case 'unknown':
      return { kind: 'screen', at, shows: 'unclear' };
  }
}

/** Whether two screens say the same: a spinner in the title that turns is no change. */
export function saysTheSame(a: ScreenState, b: ScreenState): boolean {
  const said = ({ state, dialog, fingerprint, box }: ScreenState) => JSON.stringify([state, dialog, fingerprint, box]);
  return said(a) === said(b);
}

/** What these ask stands in many words around their heading. */
const ASKED: Readonly<Partial<Record<WaitKind, string>>> = {
  trust: 'May it work in this folder?',
  login: 'It must be signed in.',
};

function waitOf({ dialog, title }: ScreenState): SessionWait {
  const kind = WaitKind.safeParse(dialog).data ?? 'dialog';
  return { kind, what: ASKED[kind] ?? (oneLine(title ?? '', 500) || 'a dialog') };
}

function limitOf({ title, resetAt }: ScreenState): SessionWait {
  const what = oneLine(title ?? '', 500) || 'a limit of its provider';
  return { kind: 'rate_limit', what, ...(resetAt === undefined ? {} : { resetAt }) };
}
