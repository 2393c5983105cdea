/** Missions through a whole daemon: from the hub's delivery to the news, and the terminal of one as watchers see it, here and through the hub. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, type RawData } from 'ws';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { readIfThere } from '../../../src/platform/files.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { Inspection, type MissionReport } from '../../../src/protocol/mission.ts';
import { HUB_SIGNER, signRequest } from '../../../src/protocol/signing.ts';
import { TerminalFrame } from '../../../src/protocol/terminal-stream.ts';
import { bundle } from '../../support/bundle.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { missionItem } from '../launcher/rig.ts';

let runner: string;
beforeAll(async () => {
  runner = await bundle('test/support/runner-entry.ts', 'runner-http', [
    'node-pty',
    '@xterm/headless',
    '@xterm/addon-serialize',
  ]);
}, 60_000);

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;
beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.directory('api');
  const program = join(home.root, 'greeter');
  writeFileSync(
    program,
    '#!/bin/sh\n[ "$1" = --version ] && echo 1.2.3 && exit\necho "hello from the agent"\nread line\ncase "$1" in *flood*) yes 0123456789012345678901234567890123456789012345678901234567 | head -n 100000; echo "the flood is over"; read line;; esac\necho "it heard $line"\n',
  );
  chmodSync(program, 0o755);
  const agents = `agent_launcher:\n  agents:\n    greeter: { command: ${program} }\n`;
  home.configure(hub, `${agents}projects:\n  - { id: api, path: ${join(home.user, 'api')}, agent_command: greeter }`);
  daemon = await startTestDaemon(home, systemClock, { intercom: [process.execPath, runner] });
  await hub.until(() => hub.hellos.length > 0);
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

const reports = (): MissionReport[] => hub.missionNews.flatMap((news) => (news.news === 'report' ? [news] : []));

async function reaches(state: MissionReport['state']): Promise<MissionReport> {
  await hub.until(() => reports().some((report) => report.state === state));
  const report = reports().findLast((one) => one.state === state);
  if (report === undefined) throw new Error('it was there');
  return report;
}

/** What a watcher sees, as text. */
class Watcher {
  readonly socket: WebSocket;
  text = '';
  #waiting: { readonly enough: () => boolean; readonly resolve: () => void }[] = [];

  constructor(url: string, headers: Record<string, string>) {
    this.socket = new WebSocket(url, { headers });
    this.socket.on('message', (data, isBinary) => this.#heard(data, isBinary));
  }

  until(enough: () => boolean): Promise<void> {
    if (enough()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ enough, resolve }));
  }

  #heard(data: RawData, isBinary: boolean): void {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    if (isBinary) this.text += bytes.subarray(8).toString('utf8');
    else {
      const frame = TerminalFrame.parse(JSON.parse(bytes.toString('utf8')));
      if (frame.frame === 'snapshot') this.text += frame.screen;
    }
    for (const waiting of this.#waiting) if (waiting.enough()) waiting.resolve();
  }
}

function refusal(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { headers });
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      resolve(response.statusCode);
    });
    socket.on('error', () => undefined);
    socket.on('open', () => resolve(undefined));
  });
}

async function running(text = 'greet'): Promise<string> {
  const item = missionItem(text, { spec: { agent: 'greeter', runtime: 'terminal' } });
  expect(await hub.deliver(item)).toMatchObject([{ result: 'stored' }]);
  await reaches('running');
  const { sessions } = await daemon.status();
  const session = sessions.find(({ mission }) => mission === item.missionId);
  expect(session).toMatchObject({ managed: true, agent: 'greeter', project: 'api' });
  // By it the hub finds its terminal.
  expect((await reaches('running')).session).toBe(session?.id);
  return session?.id ?? '';
}

describe('missions of the hub', () => {
  it('are stored before they are acknowledged, run, and their news come in order; hello names what can be started', async () => {
    const item = missionItem('greet', { spec: { agent: 'greeter', runtime: 'headless' } });
    expect(await hub.deliver(item, item)).toMatchObject([{ result: 'stored' }, { result: 'known' }]);
    const { result } = await reaches('completed');
    expect(result?.text).toContain('hello from the agent');
    const entries = hub.missionNews.flatMap((news) => (news.news === 'log' ? news.entries : []));
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    await hub.until(() => hub.hellos.some(({ agents }) => agents.some(({ name }) => name === 'greeter')));
  });

  it('that the hub never had hold up no other news', async () => {
    const [lost, fine] = [
      missionItem('one', { spec: { project: 'nowhere' } }),
      missionItem('two', { spec: { project: 'nowhere' } }),
    ];
    hub.forgotten.add(lost.missionId);
    await hub.deliver(lost, fine);
    expect((await reaches('failed')).missionId).toBe(fine.missionId);
  });
});

describe('a terminal', () => {
  it('is watched, and typed into, from here and through the hub; and looked at once', { timeout: 60_000 }, async () => {
    const session = await running();
    const origin = hub.hellos.at(-1)?.daemonUrl ?? '';
    const path = `/api/hub/terminals/${session}?as=anna&write=1`;
    const signed = signRequest(hub.secret, HUB_SIGNER, { method: 'GET', path, body: new Uint8Array() }, Date.now());
    const far = new Watcher(`${origin.replace('http', 'ws')}${path}`, signed);
    await far.until(() => far.text.includes('hello from the agent'));

    const key = ((await readIfThere(home.paths.daemonKey)) ?? '').trim();
    const near = new Watcher(`ws+unix://${home.paths.daemonSocket}:/local/terminals/${session}`, {
      authorization: `Bearer ${key}`,
    });
    await near.until(() => near.text.includes('hello from the agent'));

    const seen = await hub
      .daemon()
      .call({ method: 'POST', path: '/api/hub/inspect', body: { session, lines: 10 } }, Inspection);
    expect(seen.lines.join('\n')).toContain('hello from the agent');

    far.socket.send(JSON.stringify({ frame: 'take' }));
    far.socket.send(JSON.stringify({ frame: 'input', data: 'you\r' }));
    await near.until(() => near.text.includes('it heard you'));
    await reaches('completed');
  });

  it('that floods a watcher who does not read: nothing piles up, others go on, and it gets a new picture', async () => {
    const key = ((await readIfThere(home.paths.daemonKey)) ?? '').trim();
    const session = await running('flood');
    const url = `ws+unix://${home.paths.daemonSocket}:/local/terminals/${session}?write=1`;
    const [slow, quick] = [0, 1].map(() => new Watcher(url, { authorization: `Bearer ${key}` }));
    if (slow === undefined || quick === undefined) throw new Error('both were made');
    await slow.until(() => slow.text.includes('hello from the agent'));
    slow.socket.pause();
    await quick.until(() => quick.text.includes('hello from the agent'));
    quick.socket.send(JSON.stringify({ frame: 'take' }));
    quick.socket.send(JSON.stringify({ frame: 'input', data: 'go\r' }));
    await quick.until(() => quick.text.includes('the flood is over'));
    const before = slow.text.length;
    slow.socket.resume();
    await slow.until(() => slow.text.includes('the flood is over'));
    // 6 MB were printed: most of it was never kept for the one who did not read.
    expect(slow.text.length - before).toBeLessThan(3_000_000);
    quick.socket.send(JSON.stringify({ frame: 'input', data: 'bye\r' }));
    await reaches('completed');
  }, 60_000);

  it('is shown to nobody without a signature or the key, and not by the same signature twice', async () => {
    const session = await running();
    const origin = (hub.hellos.at(-1)?.daemonUrl ?? '').replace('http', 'ws');
    const path = `/api/hub/terminals/${session}`;
    const signed = (secret: string) =>
      signRequest(secret, HUB_SIGNER, { method: 'GET', path, body: new Uint8Array() }, Date.now());
    expect(await refusal(`${origin}${path}`, {})).toBe(401);
    expect(await refusal(`${origin}${path}`, signed('another secret 0123456789'))).toBe(401);
    const good = signed(hub.secret);
    expect(await refusal(`${origin}${path}?write=1`, good)).toBe(401);
    expect(await refusal(`${origin}${path}`, good)).toBeUndefined();
    expect(await refusal(`${origin}${path}`, good)).toBe(401);
    expect(await refusal(`ws+unix://${home.paths.daemonSocket}:/local/terminals/${session}`, {})).toBe(401);
    const stop = {
      item: 'mission_stop',
      missionId: reports()[0]?.missionId ?? '',
      run: 1,
      how: 'cancel',
      by: 'anna',
    } as const;
    await hub.deliver(stop);
    await reaches('cancelled');
  });
});
