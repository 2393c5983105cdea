/** The first screen with more waiting than it shows: nothing is left out in silence, and everything can be reached. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { z } from 'zod';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.ts';
import { newId } from '../../src/protocol/ids.ts';
import { HelloRequest, SubmitItem } from '../../src/protocol/machine-api.ts';
import { ApprovalsPage, Snapshot } from '../../src/protocol/operator-api.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { projectOf } from '../support/hub-core.ts';

const WAITING = 230;

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
  for (const id of ['laptop', 'server']) {
    await hub.machine(id);
    const hello = HelloRequest.parse({
      protocol: PROTOCOL_VERSION,
      version: '1',
      epoch: 'e',
      displayName: id,
      daemonUrl: 'http://127.0.0.1:9',
      projects: [projectOf('app')],
      sessions: [],
    });
    await hub.hub.services.registry.hello(id, hello);
  }
  const item = (n: number): SubmitItem =>
    SubmitItem.parse({
      id: newId('message'),
      fromProject: 'app',
      to: 'server/app',
      kind: 'send',
      body: `number ${n}`,
      submittedAt: new Date().toISOString(),
    });
  const items = Array.from({ length: WAITING }, (_, n) => item(n));
  const results = await hub.hub.services.messaging.submitFromMachine('laptop', items);
  expect(results.every((result) => result.ok && result.status.state === 'held')).toBe(true);
});
afterEach(() => hub.stop());

const get = <T>(path: string, schema: z.ZodType<T>): Promise<T> => hub.operator.call({ method: 'GET', path }, schema);

const bodies = (page: { readonly approvals: ApprovalsPage['approvals'] }): string[] =>
  page.approvals.map(({ subject }) => (subject.kind === 'message' ? subject.body : subject.kind));

it('says how many more wait, and the rest is read behind the last one', async () => {
  const snapshot = await get('/api/operator/snapshot', Snapshot);
  expect(snapshot.approvals).toHaveLength(200);
  expect(snapshot.pendingMore).toBe(WAITING - 200);
  expect(bodies(snapshot)[0]).toBe('number 0');

  const last = snapshot.approvals.at(-1)?.id ?? '';
  const path = `/api/operator/approvals?state=pending&order=oldest&after=${last}`;
  const first = await get(`${path}&limit=20`, ApprovalsPage);
  expect([bodies(first).at(0), bodies(first).at(-1), first.more]).toEqual(['number 200', 'number 219', true]);
  const rest = await get(`${path}&limit=100`, ApprovalsPage);
  expect([bodies(rest).at(-1), rest.more]).toEqual([`number ${WAITING - 1}`, false]);
});

it('newest first goes on with older ones; an unknown place is refused', async () => {
  const page = await get('/api/operator/approvals?limit=200', ApprovalsPage);
  expect([bodies(page).at(0), page.more]).toEqual([`number ${WAITING - 1}`, true]);
  const after = page.approvals.at(-1)?.id ?? '';
  const older = await get(`/api/operator/approvals?limit=200&after=${after}`, ApprovalsPage);
  expect([bodies(older).at(-1), older.approvals.length, older.more]).toEqual(['number 0', WAITING - 200, false]);
  const nowhere = `/api/operator/approvals?after=${newId('approval')}`;
  await expect(get(nowhere, ApprovalsPage)).rejects.toMatchObject({ code: 'unknown_approval' });
});
