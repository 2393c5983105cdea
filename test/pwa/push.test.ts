/** Notices while the page is closed: the way in and out of them, and what the service worker does with a push. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PushNotices, type Held, type PushBrowser } from '../../pwa/src/core/push.ts';
import {
  pressed,
  pushed,
  readPush,
  type NoticeOptions,
  type Shown,
  type WorkerDeps,
} from '../../pwa/src/worker/notices.ts';
import { PushMessage, type PushSubscription } from '../../src/protocol/attention.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';

const KEY = 'hub-key';

function setUp(over: Partial<PushBrowser> = {}) {
  const world: { permission: NotificationPermission; asked: number; held?: Held | undefined } = {
    permission: 'default',
    asked: 0,
  };
  const hub: { subscriptions: PushSubscription[]; refuse: boolean } = { subscriptions: [], refuse: false };
  const held = (key: string): Held => ({
    json: { endpoint: `https://push.example/${key}`, keys: { p256dh: 'p'.repeat(60), auth: 'a'.repeat(22) } },
    endpoint: `https://push.example/${key}`,
    key,
    cancel: () => {
      world.held = undefined;
      return Promise.resolve();
    },
  });
  const browser: PushBrowser = {
    obstacle: () => undefined,
    permission: () => world.permission,
    askPermission: () => {
      world.asked += 1;
      if (world.permission === 'default') world.permission = 'granted';
      return Promise.resolve(world.permission);
    },
    current: () => Promise.resolve(world.held),
    subscribe: (key) => {
      world.held = held(key);
      return Promise.resolve(world.held);
    },
    ...over,
  };
  const push = new PushNotices(browser, {
    pushKey: () => Promise.resolve(KEY),
    subscribePush: (subscription) => {
      if (hub.refuse) return Promise.reject(new IntercomError('storage_failed', 'The disk is full.'));
      hub.subscriptions = [...hub.subscriptions.filter((one) => one.endpoint !== subscription.endpoint), subscription];
      return Promise.resolve();
    },
    unsubscribePush: (endpoint) => {
      hub.subscriptions = hub.subscriptions.filter((one) => one.endpoint !== endpoint);
      return Promise.resolve();
    },
  });
  return { push, world, hub, held };
}

describe('notices on this device', () => {
  it('ask nothing by themselves; after a press the browser asks, and the hub knows', async () => {
    const { push, world, hub } = setUp();
    await push.look();
    expect([push.state.get(), world.asked]).toEqual([{ at: 'off' }, 0]);
    await push.switchOn();
    expect([push.state.get().at, world.asked, hub.subscriptions.length]).toEqual(['on', 1, 1]);
    await push.switchOff();
    expect([push.state.get().at, hub.subscriptions.length, world.held]).toEqual(['off', 0, undefined]);
  });

  it.each([
    ['no_https', 'unsupported'],
    ['no_push', 'unsupported'],
    ['needs_app', 'needs_app'],
  ] as const)('say where they cannot be: %s', async (obstacle, at) => {
    const { push } = setUp({ obstacle: () => obstacle });
    await push.look();
    expect(push.state.get().at).toBe(at);
    await push.forget();
  });

  it('say when the browser’s settings forbid them', async () => {
    const { push, world } = setUp();
    world.permission = 'denied';
    await push.look();
    expect(push.state.get()).toEqual({ at: 'denied' });
    await push.switchOn();
    expect(push.state.get()).toEqual({ at: 'denied' });
  });

  it('seed: are not called on when the hub did not take the subscription, or the push service did not give one', async () => {
    const first = setUp();
    first.hub.refuse = true;
    await expect(first.push.switchOn()).rejects.toThrow('The disk is full.');
    expect(first.push.state.get()).toEqual({ at: 'off' });
    const second = setUp({ subscribe: () => Promise.reject(new Error('AbortError')) });
    await expect(second.push.switchOn()).rejects.toThrow('could not reach its push service');
    expect(second.push.state.get()).toEqual({ at: 'off' });
  });

  it('tell the hub again at every start, and take a new subscription when the hub has another key', async () => {
    const { push, world, hub, held } = setUp();
    world.permission = 'granted';
    world.held = held('an-older-hub');
    await push.look();
    expect([push.state.get().at, world.held.key, hub.subscriptions.map(({ endpoint }) => endpoint)]).toEqual([
      'on',
      KEY,
      [`https://push.example/${KEY}`],
    ]);
  });

  it('end with the sign-in', async () => {
    const { push, world, hub } = setUp();
    await push.switchOn();
    await push.forget();
    expect([push.state.get().at, world.held, hub.subscriptions]).toEqual(['off', undefined, []]);
  });
});

// ── the worker ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const approval = { id: newId('approval'), shownHash: 'c'.repeat(64) };
const plain = { tag: 'session studio#one', title: 'shop/api', body: 'Bash: npm publish', path: '/#/attention' };

function worker() {
  const tray = new Map<string, { readonly title: string; readonly options: NoticeOptions }>();
  const log: string[] = [];
  const world: { answer: { readonly ok: boolean; readonly body: unknown } | Error } = {
    answer: { ok: true, body: {} },
  };
  const shownOf = (tag: string): Shown[] => {
    const there = tray.get(tag);
    return there === undefined ? [] : [{ data: there.options.data, close: () => void tray.delete(tag) }];
  };
  const deps: WorkerDeps = {
    show: (title, options) => {
      log.push(`show ${options.tag}${options.silent === true ? ' silently' : ''}`);
      tray.set(options.tag, { title, options });
      return Promise.resolve();
    },
    shown: (tag) => Promise.resolve(shownOf(tag)),
    post: (path, body) => {
      log.push(`post ${path} ${JSON.stringify(body)}`);
      return world.answer instanceof Error ? Promise.reject(world.answer) : Promise.resolve(world.answer);
    },
    open: (path) => {
      log.push(`open ${path}`);
      return Promise.resolve();
    },
  };
  const push = (message: unknown) => pushed(deps, JSON.stringify(message));
  const press = async (tag: string, action: string) => {
    const [notice] = shownOf(tag);
    if (notice === undefined) throw new Error('nothing is shown');
    await pressed(deps, action, notice);
  };
  return { tray, log, world, push, press, deps };
}

describe('the service worker', () => {
  it('shows a notice, one per tag; a newer one replaces it', async () => {
    const { tray, push } = worker();
    await push({ do: 'show', ...plain, renotify: false });
    await push({ do: 'show', ...plain, body: 'Bash: rm -rf dist', renotify: true });
    expect([...tray.values()].map(({ options }) => [options.body, options.renotify, options.actions])).toEqual([
      ['Bash: rm -rf dist', true, undefined],
    ]);
  });

  it('takes it away when it was answered, without a sound and never without showing anything', async () => {
    const { tray, log, push } = worker();
    await push({ do: 'show', ...plain, renotify: true });
    await push({ do: 'close', tag: plain.tag });
    await push({ do: 'close', tag: 'nothing there' });
    expect(tray.size).toBe(0);
    expect(log.slice(1)).toEqual([`show ${plain.tag} silently`, 'show nothing there silently']);
  });

  it('allows and denies on the notice, bound to what was shown', async () => {
    const { tray, log, push, press } = worker();
    for (const action of ['allow', 'deny']) {
      await push({ do: 'show', ...plain, approval, renotify: true });
      expect(tray.get(plain.tag)?.options.actions?.map((one) => one.action)).toEqual(['allow', 'deny']);
      await press(plain.tag, action);
      expect(log.at(-1)).toBe(
        `post /api/operator/approvals/${approval.id}/decision ${JSON.stringify({
          verdict: action,
          scope: 'once',
          shownHash: approval.shownHash,
        })}`,
      );
      expect(tray.size).toBe(0);
    }
  });

  it('seed: does not say that something was decided when it was not', async () => {
    const { tray, world, push, press } = worker();
    const refused = { error: { code: 'conflict', message: 'tom was first.' } };
    for (const [answer, words] of [
      [{ ok: false, body: refused }, 'Not done: tom was first.'],
      [{ ok: false, body: undefined }, 'Not done: the hub refused it. Tap to open the card.'],
      [new Error('offline'), 'Not done: the hub did not answer. Tap to open the card.'],
    ] as const) {
      world.answer = answer;
      await push({ do: 'show', ...plain, approval, renotify: true });
      await press(plain.tag, 'allow');
      expect(tray.get(plain.tag)?.options).toMatchObject({ body: words, renotify: true });
      expect(tray.get(plain.tag)?.options.actions).toBeUndefined();
    }
  });

  it('opens the right place of the page, and never another site', async () => {
    const { log, push, press } = worker();
    await push({ do: 'show', ...plain, path: '#/missions/mis_1', renotify: false });
    await press(plain.tag, '');
    expect(log.at(-1)).toBe('open /#/missions/mis_1');
    for (const path of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
      expect(readPush(JSON.stringify({ do: 'show', ...plain, path, renotify: false }))).toBeUndefined();
    }
  });

  it('shows that something waits even when it cannot read what', async () => {
    for (const text of [undefined, '', '{}', '{"do":"sing"}', '[1]']) {
      const { tray, deps } = worker();
      await pushed(deps, text);
      expect([...tray.values()].map(({ title }) => title)).toEqual(['Something waits for you']);
    }
  });

  it('reads exactly what the hub writes', () => {
    const place = fc.string({ maxLength: 100 }).map((rest) => `/#/${rest}`);
    const show = fc.record(
      {
        do: fc.constant('show'),
        tag: fc.string({ maxLength: 250 }),
        title: fc.string({ maxLength: 250 }),
        body: fc.string({ maxLength: 1100 }),
        path: place,
        approval: fc.record({ id: fc.constant(approval.id), shownHash: fc.constantFrom('c'.repeat(64), 'c') }),
        renotify: fc.boolean(),
      },
      { requiredKeys: ['do', 'tag', 'title', 'body', 'path', 'renotify'] },
    );
    const close = fc.record({ do: fc.constant('close'), tag: fc.string({ maxLength: 250 }) });
    fc.assert(
      fc.property(fc.oneof(show, close), (message) => {
        expect(readPush(JSON.stringify(message))).toEqual(PushMessage.safeParse(message).data);
      }),
    );
  });
});
