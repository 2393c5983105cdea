/** A message to the operators is delivered once a surface says that a person was shown it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonClient } from '../../../src/platform/http/client.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { Ok, SubmitResponse } from '../../../src/protocol/machine-api.ts';
import { Project } from '../../../src/protocol/model.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';

let hub: TestHub;
let laptop: JsonClient;
let cookie: string;

beforeAll(async () => {
  hub = await startTestHub();
  laptop = (await hub.machine('laptop')).client;
  cookie = await hub.cookieOf('ada');
});
afterAll(() => hub.stop());

async function sent(to: string): Promise<string> {
  const id = newId('message');
  const items = [
    { id, fromProject: 'web', to, kind: 'send', body: 'The build is green.', submittedAt: new Date().toISOString() },
  ];
  await laptop.call({ method: 'POST', path: '/api/machine/messages', body: { items } }, SubmitResponse);
  return id;
}

const shown = (id: string) => hub.operator.call({ method: 'POST', path: `/api/operator/messages/${id}/shown` }, Ok);
const byPage = (id: string) =>
  fetch(`${hub.url}/api/operator/messages/${id}/shown`, { method: 'POST', headers: { cookie, origin: hub.url } });
const trace = (id: string) => hub.hub.services.messaging.trace(id);

describe('a message to the operators that was shown', () => {
  it('on the web page is delivered there, once, however often it is said', async () => {
    const id = await sent('human');
    expect((await trace(id)).message.state).toBe('queued');
    expect((await byPage(id)).status).toBe(200);
    await shown(id);
    const { message, steps } = await trace(id);
    expect(message).toMatchObject({ state: 'delivered', place: 'web', proof: 'shown to ada' });
    expect(steps.filter((step) => step.state === 'delivered')).toHaveLength(1);
  });

  it('by the command line is delivered there', async () => {
    const id = await sent('human');
    await shown(id);
    expect((await trace(id)).message).toMatchObject({ state: 'delivered', place: 'cli' });
  });

  it('is not one that an agent is to get', async () => {
    await hub.hub.services.registry.projectsChanged('laptop', [
      Project.parse({ id: 'other', path: '/home/ada/other' }),
    ]);
    const id = await sent('laptop/other');
    expect((await trace(id)).message.to).toBe('laptop/other');
    await expect(shown(id)).rejects.toMatchObject({ code: 'unknown_message' });
    await expect(shown(newId('message'))).rejects.toMatchObject({ code: 'unknown_message' });
  });
});
