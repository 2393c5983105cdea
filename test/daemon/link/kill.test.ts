import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../src/protocol/ids.ts';
import { bundle } from '../../support/bundle.ts';
import { DaemonProcess, TestHome } from '../../support/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';

let program: string;
let hub: FakeHub;
let home: TestHome;
let running: DaemonProcess;

beforeAll(async () => {
  program = await bundle('test/support/daemon-entry.ts', 'daemon', ['better-sqlite3']);
}, 60_000);
beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  running = await DaemonProcess.start(program, home);
});
afterEach(async () => {
  await running.kill();
  await hub.stop();
  home.remove();
});

describe('a daemon killed in the middle of its work', () => {
  it('brings every message that it accepted to the hub exactly once, in order, whether the hub was there or not', async () => {
    const accepted: string[] = [];
    let number = 0;
    for (let round = 0; round < 8; round += 1) {
      if (round % 2 === 1) await hub.goAway();
      const api = home.client();
      const killed = new AbortController();
      const sending = (async () => {
        while (!killed.signal.aborted) {
          const body = `message ${(number += 1)}`;
          try {
            await api.submit({ to: 'desk/web', kind: 'send', body });
            accepted.push(body);
          } catch {
            // Not accepted: its sender knows that it does not know.
          }
        }
      })();
      const enough = accepted.length + 5;
      while (accepted.length < enough) await new Promise((resolve) => setImmediate(resolve));
      await running.kill();
      killed.abort();
      await sending;
      if (round % 2 === 1) await hub.comeBack();
      running = await DaemonProcess.start(program, home);
    }
    const last = await home.client().submit({ to: 'desk/web', kind: 'send', body: 'last' });
    await hub.until(() => hub.taken.has(last.id));
    const taken = [...hub.taken.values()].map(({ body }) => body);
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken.filter((body) => accepted.includes(body))).toEqual(accepted);
  }, 120_000);

  it('still has the mail that it acknowledged, and knows its repeats; the hub learns what it did with it', async () => {
    await hub.until(() => hub.hellos.length > 0);
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const hellos = hub.hellos.length;
      const killed = new AbortController();
      const delivering = (async () => {
        while (!killed.signal.aborted) {
          const mails = Array.from({ length: 3 }, () => hub.mail());
          try {
            await hub.deliver(...mails);
            acknowledged.push(...mails.map(({ id }) => id));
          } catch {
            // No answer: the hub sends it again, for ever.
          }
        }
      })();
      const enough = acknowledged.length + 9;
      while (acknowledged.length < enough) await new Promise((resolve) => setImmediate(resolve));
      await running.kill();
      killed.abort();
      await delivering;
      running = await DaemonProcess.start(program, home);
      await hub.until(() => hub.hellos.length > hellos);
    }
    const taken: string[] = [];
    for (;;) {
      const { messages, offer } = await home.client().takeInbox();
      if (offer === undefined) break;
      taken.push(...messages.map(({ id }) => id));
      await home.client().acknowledge(offer);
    }
    expect(taken.filter((id) => acknowledged.includes(id))).toEqual(acknowledged);
    expect(new Set(taken).size).toBe(taken.length);
    const arrived = (id: string) =>
      hub.receipts.some(({ messageId, state }) => messageId === id && state === 'delivered');
    await hub.until(() => acknowledged.every(arrived));
    const [first = ''] = acknowledged;
    expect(await hub.deliver(hub.mail({ id: first }), hub.mail({ id: newId('message') }))).toMatchObject([
      { result: 'known' },
      { result: 'stored' },
    ]);
  }, 120_000);

  it('seed: a daemon that was started anew had forgotten its sessions, and the hub with it', async () => {
    await hub.until(() => hub.hellos.length > 0);
    await running.kill();
    hub.epoch = 'epoch-2';
    running = await DaemonProcess.start(program, home);
    await hub.until(() => hub.hellos.length === 2);
    expect(hub.hellos[1]?.epoch).not.toBe(hub.hellos[0]?.epoch);
  }, 60_000);
});
