/** Opens the client that a command needs, and closes it whatever happens. */
import { LocalClient } from '../../platform/local-client.ts';
import type { CallerFacts } from '../../platform/local-client.ts';
import { callerOf, requirePerson } from '../agent-environment.ts';
import type { Context } from '../io.ts';
import { findHub, OperatorClient } from './operator-client.ts';

/** Runs `work` as the operator; refused where an agent runs this. */
export async function asOperator<T>(context: Context, work: (hub: OperatorClient) => Promise<T>): Promise<T> {
  requirePerson(context.io);
  const hub = new OperatorClient(await findHub(context.paths, context.hubUrl, process.getuid?.()));
  try {
    return await work(hub);
  } finally {
    await hub.close();
  }
}

/** The agent that runs this and its way to the mesh; undefined at a person's terminal. */
export function asAgent(context: Context): { readonly caller: CallerFacts; readonly daemon: LocalClient } | undefined {
  const caller = callerOf(context.io);
  if (caller === undefined) return undefined;
  return { caller, daemon: LocalClient.at(context.paths, () => caller) };
}

/** The daemon of this machine, asked by nobody in particular (status, doctor). */
export function localDaemon(context: Context): LocalClient {
  return LocalClient.at(context.paths, () => ({ cwd: context.io.cwd }));
}
