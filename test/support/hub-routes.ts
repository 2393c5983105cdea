/** Every route of a hub, as its own OpenAPI document tells them, so that no test can forget a new one. */
import { z } from 'zod';
import type { TestHub } from './hub.ts';

export interface HubRoute {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With an id that is well formed in the place of each parameter. */
  readonly path: string;
  readonly tag: string;
  readonly hasBody: boolean;
}

const Document = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ tags: z.array(z.string()), requestBody: z.unknown().optional() })),
  ),
});
const Method = z.enum(['GET', 'POST', 'PATCH', 'DELETE']);

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

export async function hubRoutes(hub: TestHub): Promise<HubRoute[]> {
  const document = await hub.operator.call({ method: 'GET', path: '/api/operator/openapi.json' }, Document);
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { tags, requestBody }]) => ({
      method: Method.parse(method.toUpperCase()),
      path: path.replace('{id}', idFor(path)).replace(/\{\w+\}/g, 'nowhere'),
      tag: tags[0] ?? '',
      hasBody: requestBody !== undefined,
    })),
  );
}

function idFor(path: string): string {
  if (path.includes('/missions/')) return `mis_${ID}`;
  if (path.includes('/messages/')) return `msg_${ID}`;
  if (path.includes('/threads/')) return `thr_${ID}`;
  if (path.includes('/approvals/')) return `apr_${ID}`;
  if (path.includes('/grants/')) return `grn_${ID}`;
  if (path.includes('/join/')) return `joi_${ID}`;
  return 'nowhere';
}
