/**
 * What an event is worth telling to a person who looks at another screen: a line, one per session, that a newer one replaces and an answer
 * takes away. Pure.
 */
import type { HubEvent } from '../../../src/protocol/events.ts';
import type { Approval, Session } from '../../../src/protocol/model.ts';
import { describeAddress } from './addresses.ts';
import { sessionKey } from './session-key.ts';
import { CATEGORY_LABEL, WAIT_LABEL } from './attention-words.ts';
import type { Route } from './routes.ts';
import { askingSession } from './sessions.ts';
import type { MeshState } from './state.ts';

export type News =
  | {
      readonly do: 'tell';
      /** A newer one with the same key replaces it. */
      readonly key: string;
      readonly tone: 'wait' | 'bad' | 'calm';
      readonly text: string;
      readonly route: Route;
    }
  | { readonly do: 'clear'; readonly key: string };

/** Waits whose card comes by an approval; the session's own news would be the same thing twice. */
const BY_CARD = new Set(['permission', 'question', 'plan']);

export function newsOf(before: MeshState, event: HubEvent): News | undefined {
  switch (event.type) {
    case 'approval.changed':
      return ofApproval(before, event.approval);
    case 'session.changed':
      return ofSession(before, event.machineId, event.session);
    case 'announcement': {
      const { from, text, category, priority } = event.announcement;
      if (priority === 'low') return undefined;
      const { who } = describeAddress(before, from);
      const label = category === 'milestone' ? '' : `${CATEGORY_LABEL[category]}: `;
      return {
        do: 'tell',
        key: `said ${from}`,
        tone: 'calm',
        text: `${who}: ${label}${short(text)}`,
        route: { at: 'attention' },
      };
    }
    default:
      return undefined;
  }
}

function ofApproval(before: MeshState, approval: Approval): News | undefined {
  const key = askingSession(approval) ?? approval.id;
  const known = before.approvals.get(approval.id);
  if (approval.effect?.state === 'failed' && known?.effect?.state !== 'failed') {
    const why = approval.effect.reason ?? 'the agent’s side did not say why.';
    return {
      do: 'tell',
      key,
      tone: 'bad',
      text: `Not done: ${why} (${headline(before, approval)})`,
      route: { at: 'attention', card: approval.id },
    };
  }
  if (approval.state !== 'pending') return { do: 'clear', key };
  if (known !== undefined && known.shownHash === approval.shownHash) return undefined;
  return {
    do: 'tell',
    key,
    tone: 'wait',
    text: headline(before, approval),
    route: { at: 'attention', card: approval.id },
  };
}

function ofSession(before: MeshState, machine: string, session: Session): News | undefined {
  const { waiting } = session;
  if (waiting === undefined || session.state !== 'waiting' || BY_CARD.has(waiting.kind)) return undefined;
  const known = [...before.agents.values()]
    .filter((agent) => agent.machine === machine)
    .flatMap((agent) => agent.sessions)
    .find(({ id }) => id === session.id)?.waiting;
  if (known?.kind === waiting.kind && known.what === waiting.what) return undefined;
  const text = `${session.project}: ${WAIT_LABEL[waiting.kind]}. ${short(waiting.what)}`;
  const tone = waiting.kind === 'rate_limit' ? 'calm' : 'wait';
  const key = sessionKey(machine, session.id);
  return { do: 'tell', key, tone, text, route: { at: 'attention', card: key } };
}

/** What is asked, by whom, in one line. */
function headline(state: MeshState, { subject }: Approval): string {
  switch (subject.kind) {
    case 'join':
      return `${subject.displayName} wants to join`;
    case 'tool':
    case 'question':
      return `${describeAddress(state, subject.from).who}: ${short(subject.summary)}`;
    case 'launch':
      return `${subject.agent} is to start at ${describeAddress(state, subject.to).who}: ${short(subject.body)}`;
    case 'message':
    case 'ask': {
      const from = describeAddress(state, subject.from).who;
      return `${from} → ${describeAddress(state, subject.to).who}: ${short(subject.body)}`;
    }
  }
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 120 ? `${line.slice(0, 119).replace(/[\ud800-\udbff]$/, '')}…` : line;
}
