/** docs/openapi.json is what the route tables say. After a change of a route: `npx vitest run test/hub/http/openapi.test.ts -u`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { VERSION } from '../../../src/platform/package.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { raw } from '../../support/raw-http.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.stop());

const Document = z.looseObject({
  openapi: z.literal('3.1.0'),
  info: z.looseObject({ version: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ responses: z.record(z.string(), z.unknown()) }))),
});

describe('the OpenAPI document', () => {
  it('is the one in docs/', async () => {
    const document = await hub.operator.call({ method: 'GET', path: '/api/operator/openapi.json' }, Document);
    const text = `${JSON.stringify({ ...document, info: { ...document.info, version: VERSION } }, null, 2)}\n`;
    await expect(text).toMatchFileSnapshot('../../../docs/openapi.json');
  });

  it('describes every operation with an answer and the form of a refusal', async () => {
    const document = await hub.operator.call({ method: 'GET', path: '/api/operator/openapi.json' }, Document);
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    expect(operations.length).toBeGreaterThan(40);
    for (const { responses } of operations) expect(Object.keys(responses)).toContain('default');
  });

  it('is for those who are signed in', async () => {
    expect((await raw({ url: hub.url, method: 'GET', path: '/api/operator/openapi.json' })).code).toBe('unauthorized');
  });
});
