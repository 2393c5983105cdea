/** The hub's core alone: submit → daemon's acknowledgement stored, in one process with a daemon that only answers. `node bench/hub-core.ts`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUILT_IN_RULES, evaluate, scopesOf } from '../src/hub/approvals/policy.ts';
import { createHubCore } from '../src/hub/core.ts';
import { HubStore } from '../src/hub/store/hub-store.ts';
import { systemClock } from '../src/platform/clock.ts';
import { silentLog } from '../src/platform/log.ts';
import { DeliverRequest } from '../src/protocol/daemon-api.ts';
import { newId } from '../src/protocol/ids.ts';
import type { SubmitItem } from '../src/protocol/machine-api.ts';
import type { Project } from '../src/protocol/model.ts';

const folder = await mkdtemp(join(tmpdir(), 'bench-core-'));
const server = createServer((request, response) => {
  // Whether it can be reached is not what is measured.
  if (request.method === 'GET') {
    response.writeHead(404).end();
    return;
  }
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => void parts.push(part));
  request.on('end', () => {
    const body: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    const { items } = DeliverRequest.parse(body);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ results: items.map(({ seq }) => ({ seq, result: 'stored' })) }));
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;

const store = await HubStore.open({ file: join(folder, 'hub.db'), log: silentLog() });
const rules = { ...BUILT_IN_RULES, default: 'never' as const };
const core = await createHubCore({
  store,
  clock: systemClock,
  log: silentLog(),
  hubVersion: 'bench',
  limits: { messagesPerPairPerMinute: 100_000_000 },
  policy: { evaluate: (question, grants, now) => evaluate(rules, grants, question, now), scopesOf },
});
const project = (id: string): Project => ({
  id,
  description: '',
  capabilities: [],
  tags: [],
  path: '/x',
  agent: 'claude',
  source: 'configured',
});
for (const id of ['a', 'b']) {
  await store.write((transaction) =>
    core.registry.admit(transaction, { id, displayName: id, daemonUrl: url, secret: 'secret-of-the-bench-000000' }),
  );
  await core.registry.hello(id, {
    protocol: 1,
    version: 'b',
    epoch: 'e',
    displayName: id,
    description: '',
    daemonUrl: url,
    projects: [project('p')],
    sessions: [],
    missions: [],
    agents: [],
    dialogs: [],
  });
}
await core.start();

const waiting = new Map<string, () => void>();
core.events.subscribe((event) => {
  if (event.type === 'message.changed' && event.message.state === 'dispatched') waiting.get(event.message.id)?.();
});
const threads = Array.from({ length: 32 }, () => newId('thread'));

async function one(lane: number): Promise<void> {
  const item: SubmitItem = {
    id: newId('message'),
    fromProject: 'p',
    to: 'b/p',
    kind: 'send',
    body: 'a message of ordinary length, as agents write them to each other while they work on something together',
    threadId: threads[lane] ?? '',
    priority: 'normal',
    requireApproval: 'auto',
    launch: 'never',
    depth: 0,
    submittedAt: new Date().toISOString(),
  };
  const done = new Promise<void>((resolve) => waiting.set(item.id, resolve));
  const [result] = await core.messaging.submitFromMachine('a', [item]);
  if (result?.ok !== true) throw new Error(JSON.stringify(result));
  await done;
  waiting.delete(item.id);
}

async function run(name: string, lanes: number, seconds: number): Promise<void> {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(
    Array.from({ length: lanes }, async (_none, lane) => {
      while (performance.now() < end) {
        const before = performance.now();
        await one(lane);
        times.push(performance.now() - before);
      }
    }),
  );
  times.sort((x, y) => x - y);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  const rate = Math.round(times.length / ((performance.now() - start) / 1000));
  const used = process.cpuUsage(cpu);
  const each = Math.round((used.user + used.system) / times.length);
  console.log(`${name}: ${rate}/s  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  ${each} µs of CPU each`);
}

const seconds = Number(process.argv[2] ?? 3);
await run('warm-up', 32, 1);
await run('1 at a time', 1, seconds);
await run('32 at a time', 32, seconds);
await core.stop();
await store.close();
server.close();
server.closeAllConnections();
await rm(folder, { recursive: true, force: true });
