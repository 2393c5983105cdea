/** A durable message over two hops: agent's daemon → hub → the other daemon, one at a time and 32 at a time; approval out and back. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JsonClient, bearer } from '../src/platform/http/client.ts';
import { newId } from '../src/protocol/ids.ts';
import { CALLER_HEADERS } from '../src/protocol/local-api.ts';
import { MessageStatus } from '../src/protocol/machine-api.ts';
import type { HubEvent } from '../src/protocol/events.ts';
import { Mesh, type Node } from '../test/support/mesh.ts';
import { EventStream } from './stream.ts';
import { samples, type Figure } from './figures.ts';

const IN_FLIGHT = 32;

/** A sender with its connection kept, so that the mesh is measured and not the client. */
async function sender(node: Node, cwd: string) {
  await mkdir(cwd, { recursive: true });
  const key = (await readFile(node.paths.daemonKey, 'utf8')).trim();
  const client = new JsonClient({
    origin: 'http://daemon',
    socketPath: node.paths.daemonSocket,
    authorize: bearer(() => key),
    peer: 'the daemon',
    unreachableNext: '',
    connections: IN_FLIGHT,
  });
  const headers = { [CALLER_HEADERS.cwd]: encodeURIComponent(cwd) };
  const send = (kind: 'send' | 'ask', body: string) =>
    client.call(
      {
        method: 'POST',
        path: '/local/messages',
        headers,
        body: { kind, to: 'beta/work', body, idempotencyKey: newId('log') },
      },
      MessageStatus,
    );
  const wait = (id: string) =>
    client.call(
      { method: 'GET', path: `/local/messages/${id}?wait=20&for=decision`, headers, timeoutMs: 30_000 },
      MessageStatus,
    );
  return { send, wait, close: () => client.close() };
}

function isDispatched(event: HubEvent): event is HubEvent & { type: 'message.changed' } {
  return event.type === 'message.changed' && event.message.state === 'dispatched';
}

export async function messageFigures(quick: boolean): Promise<Figure[]> {
  const one = quick ? 200 : 2_000;
  const many = quick ? 1_000 : 20_000;
  const policy = 'defaults: { require_approval: never }\nrules:\n  - { type: ask, approval: once }\n';
  const limits = 'limits:\n  messages_per_pair_per_minute: 10000\n  replies_per_message: 1000\n';
  const mesh = await Mesh.start({ machines: ['alpha', 'beta'], policy, hubConfig: limits });
  const key = (await readFile(mesh.hub.paths.hubKey, 'utf8')).trim();
  const stream = await EventStream.open(mesh.hub.paths, key);
  const work = join(mesh.root, 'projects', 'work');
  await mkdir(work, { recursive: true });
  const known = stream.next(
    (event) =>
      event.type === 'projects.changed' && event.machineId === 'beta' && event.projects.some(({ id }) => id === 'work'),
  );
  await mesh.daemon('beta').local({ cwd: work }).whoami();
  await known;
  // Many sending projects, so that the loop guard's cap per pair and minute, which is part of the product, stays out of the way.
  const senders = await Promise.all(
    Array.from({ length: IN_FLIGHT }, (_, index) =>
      sender(mesh.daemon('alpha'), join(mesh.root, 'projects', `desk-${index}`)),
    ),
  );
  const [first] = senders;
  if (first === undefined) throw new Error('no sender');
  try {
    const waiting = new Map<string, () => void>();
    const early = new Set<string>();
    const stop = stream.listen((event) => {
      if (!isDispatched(event)) return;
      const done = waiting.get(event.message.id);
      if (done === undefined) early.add(event.message.id);
      else done();
    });
    const roundTrip = async (by: (typeof senders)[number], index: number): Promise<void> => {
      const status = await by.send('send', `message ${index}`);
      if (early.delete(status.id)) return;
      await new Promise<void>((resolve) => waiting.set(status.id, resolve));
      waiting.delete(status.id);
    };

    for (let index = 0; index < 100; index += 1) await roundTrip(senders[index % IN_FLIGHT] ?? first, index);
    const single: number[] = [];
    for (let index = 0; index < one; index += 1) {
      const start = performance.now();
      await roundTrip(senders[index % IN_FLIGHT] ?? first, index);
      single.push(performance.now() - start);
    }
    const begun = performance.now();
    let next = 0;
    await Promise.all(
      senders.map(async (by) => {
        while (next < many) await roundTrip(by, (next += 1));
      }),
    );
    const perSecond = many / ((performance.now() - begun) / 1000);
    stop();

    const approvals = await approvalFigures(mesh, stream, first, quick ? 50 : 300);
    const { p50, p99 } = samples(single);
    return [
      { what: 'durable message over two hops, one at a time, p50', budget: 2, value: p50, unit: 'ms' },
      { what: 'the same, p99', budget: 8, value: p99, unit: 'ms' },
      { what: 'the same, 32 at a time', budget: 2_500, value: perSecond, unit: '/s', moreIsBetter: true },
      ...approvals,
    ];
  } finally {
    stream.close();
    for (const by of senders) await by.close();
    await mesh.stop();
  }
}

/** From the agent's call to the card on a stream (a message's hop included), and from the decision to the end of the agent's wait. */
async function approvalFigures(
  mesh: Mesh,
  stream: EventStream,
  by: Awaited<ReturnType<typeof sender>>,
  rounds: number,
): Promise<Figure[]> {
  const out: number[] = [];
  const back: number[] = [];
  for (let index = 0; index < rounds; index += 1) {
    const raised = stream.next((event) => event.type === 'approval.changed' && event.approval.state === 'pending');
    const start = performance.now();
    const [event, status] = await Promise.all([
      raised.then((one) => ({ one, at: performance.now() })),
      by.send('ask', `question ${index}`),
    ]);
    out.push(event.at - start);
    if (event.one.type !== 'approval.changed') continue;
    const decided = by.wait(status.id);
    // The wait must be under way before the tap; one turn over the same socket is enough.
    await by.send('send', `between ${index}`);
    const tapped = performance.now();
    const settled = decided.then(() => performance.now());
    await mesh.operator.decide(event.one.approval, 'deny');
    back.push((await settled) - tapped);
  }
  return [
    {
      what: 'agent asks → card on an operator’s stream (one hop and a flush included), p50',
      budget: 0.5,
      value: samples(out).p50,
      unit: 'ms',
    },
    {
      what: 'tap → back at the agent’s side (a flush and one hop included), p50',
      budget: 0.5,
      value: samples(back).p50,
      unit: 'ms',
    },
  ];
}
