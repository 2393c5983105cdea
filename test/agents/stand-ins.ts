/** What the daemon parts of the rigs are given in place of a hub and a configuration. */
import { basename } from 'node:path';
import type { Projects } from '../../src/daemon/ports.ts';
import type { DeliverMessage } from '../../src/protocol/daemon-api.ts';
import { newId } from '../../src/protocol/ids.ts';

/** Every directory is a project of its own name. */
export function directoriesAsProjects(agent: string): Projects {
  return {
    list: () => [],
    forDirectory: (cwd) => ({
      id: basename(cwd).replaceAll(/\s/g, '-'),
      description: '',
      capabilities: [],
      tags: [],
      path: cwd,
      agent,
      source: 'session',
    }),
    onChange: () => () => undefined,
  };
}

/** A message as a hub hands it over. */
export function mail(
  fields: Partial<DeliverMessage> & { readonly project: string; readonly body: string },
): DeliverMessage {
  return {
    item: 'message',
    id: newId('message'),
    threadId: newId('thread'),
    kind: 'chat',
    from: 'laptop/api',
    binding: 'exact',
    priority: 'normal',
    approval: 'approved by gilles',
    depth: 0,
    sentAt: new Date().toISOString(),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    ...fields,
  };
}
