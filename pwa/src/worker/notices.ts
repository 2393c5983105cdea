/**
 * What the service worker does with a push: shows a notice or takes one away, performs Allow and Deny that were pressed on it, opens the
 * page at the right place. It is handed the browser's parts, so that it can be tried without one.
 *
 * Invariants: one notice per tag. Every push shows something, because browsers take the right away from who stays silent: a notice that goes
 * is first replaced without a sound, then closed. What is said to be decided was answered so by the hub; everything else says that it was not.
 * Nothing here imports the page's code: the worker is one classic script.
 */
import type { PushMessage } from '../../../src/protocol/attention.ts';

/** The part of a shown notice that is used here. */
export interface Shown {
  readonly data: unknown;
  close(): void;
}
export interface NoticeOptions {
  readonly body: string;
  readonly tag: string;
  readonly renotify?: boolean;
  readonly silent?: boolean;
  readonly requireInteraction?: boolean;
  readonly icon: string;
  readonly badge: string;
  readonly data: NoticeData;
  readonly actions?: readonly { readonly action: string; readonly title: string }[];
}
export interface NoticeData {
  readonly tag: string;
  readonly title: string;
  readonly path: string;
  readonly approval?: { readonly id: string; readonly shownHash: string };
}
export interface WorkerDeps {
  show(title: string, options: NoticeOptions): Promise<void>;
  shown(tag: string): Promise<readonly Shown[]>;
  /** The hub's answer to a decision: its status, and its body as far as it is JSON. */
  post(path: string, body: unknown): Promise<{ readonly ok: boolean; readonly body: unknown }>;
  /** Brings a page of ours to the front at a path, or opens one. */
  open(path: string): Promise<void>;
}

const ICON = { icon: '/icons/icon-192.png', badge: '/icons/icon-192.png' } as const;
const HOME = '/#/attention';

export async function pushed(deps: WorkerDeps, text: string | undefined): Promise<void> {
  const message = readPush(text);
  if (message === undefined) {
    // A hub that is newer than this worker: better a vague notice than none.
    await show(
      deps,
      { tag: 'unreadable', title: 'Something waits for you', path: HOME },
      'Open intercom to see it.',
      true,
    );
    return;
  }
  if (message.do === 'close') {
    await takeAway(deps, message.tag);
    return;
  }
  const { tag, title, body, path, approval, renotify } = message;
  await show(deps, { tag, title, path, ...(approval === undefined ? {} : { approval }) }, body, renotify);
}

/** Somebody pressed a notice, or one of its buttons. */
export async function pressed(deps: WorkerDeps, action: string, notice: Shown): Promise<void> {
  notice.close();
  const data = readData(notice.data);
  if (data === undefined) {
    await deps.open(HOME);
    return;
  }
  if (data.approval === undefined || (action !== 'allow' && action !== 'deny')) {
    await deps.open(data.path);
    return;
  }
  const problem = await decide(deps, data.approval, action);
  if (problem !== undefined) {
    await show(deps, { tag: data.tag, title: data.title, path: data.path }, `Not done: ${problem}`, true);
  }
}

/** Undefined when the hub took it; else why not. */
async function decide(
  deps: WorkerDeps,
  approval: { readonly id: string; readonly shownHash: string },
  verdict: 'allow' | 'deny',
): Promise<string | undefined> {
  try {
    const answer = await deps.post(`/api/operator/approvals/${encodeURIComponent(approval.id)}/decision`, {
      verdict,
      scope: 'once',
      shownHash: approval.shownHash,
    });
    return answer.ok ? undefined : refusal(answer.body);
  } catch {
    return 'the hub did not answer. Tap to open the card.';
  }
}

async function takeAway(deps: WorkerDeps, tag: string): Promise<void> {
  const [there] = await deps.shown(tag);
  const title = readData(there?.data)?.title ?? 'Answered';
  const data: NoticeData = { tag, title, path: HOME };
  await deps.show(title, { body: 'Answered.', tag, silent: true, ...ICON, data });
  for (const notice of await deps.shown(tag)) notice.close();
}

async function show(deps: WorkerDeps, data: NoticeData, body: string, renotify: boolean): Promise<void> {
  await deps.show(data.title, {
    body,
    tag: data.tag,
    renotify,
    silent: false,
    requireInteraction: data.approval !== undefined,
    ...ICON,
    data,
    ...(data.approval === undefined
      ? {}
      : {
          actions: [
            { action: 'allow', title: 'Allow' },
            { action: 'deny', title: 'Deny' },
          ],
        }),
  });
}

// ── what came from outside ───────────────────────────────────────────────────────────────────────────────────────────────

/** A push as the hub writes it (`PushMessage`), or undefined. By hand: the worker is too small for a schema library. */
export function readPush(text: string | undefined): PushMessage | undefined {
  const value = parsed(text);
  if (!isRecord(value)) return undefined;
  const tag = textOf(value['tag'], 200);
  if (tag === undefined) return undefined;
  if (value['do'] === 'close') return { do: 'close', tag };
  const title = textOf(value['title'], 200);
  const body = textOf(value['body'], 1000);
  const path = pathOf(value['path']);
  const renotify = value['renotify'];
  if (value['do'] !== 'show' || title === undefined || body === undefined) return undefined;
  if (path === undefined || typeof renotify !== 'boolean') return undefined;
  const approval = value['approval'] === undefined ? undefined : approvalOf(value['approval']);
  if (value['approval'] !== undefined && approval === undefined) return undefined;
  return { do: 'show', tag, title, body, path, renotify, ...(approval === undefined ? {} : { approval }) };
}

function readData(value: unknown): NoticeData | undefined {
  if (!isRecord(value)) return undefined;
  const tag = textOf(value['tag'], 200);
  const title = textOf(value['title'], 200);
  const path = pathOf(value['path']);
  if (tag === undefined || title === undefined || path === undefined) return undefined;
  const approval = approvalOf(value['approval']);
  return { tag, title, path, ...(approval === undefined ? {} : { approval }) };
}

function approvalOf(value: unknown): { id: string; shownHash: string } | undefined {
  if (!isRecord(value)) return undefined;
  const id = textOf(value['id'], 64);
  const shownHash = textOf(value['shownHash'], 64);
  return id === undefined || shownHash?.length !== 64 ? undefined : { id, shownHash };
}

/** A place inside our page: nothing that could lead to another site. */
function pathOf(value: unknown): string | undefined {
  const path = textOf(value, 300);
  if (path === undefined) return undefined;
  const whole = path.startsWith('#') ? `/${path}` : path;
  return /^\/(?![/\\])/.test(whole) ? whole : undefined;
}

/** The hub's own words for why not. */
function refusal(body: unknown): string {
  const error = isRecord(body) ? body['error'] : undefined;
  const message = isRecord(error) ? textOf(error['message'], 1000) : undefined;
  return message ?? 'the hub refused it. Tap to open the card.';
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: unknown, max: number): string | undefined {
  return typeof value === 'string' && value.length <= max ? value : undefined;
}
