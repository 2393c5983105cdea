/** Sessions as notices and commands name them. Pure. */
import type { Agent, Session } from '../../protocol/model.ts';

/** The session that a notice with the key `session:<machine>/<session>` is about. */
export function sessionOf(agents: readonly Agent[], key: string): Session | undefined {
  const [, machine, id] = /^session:([^/]+)\/(.+)$/.exec(key) ?? [];
  if (machine === undefined) return undefined;
  return agents
    .filter((agent) => agent.machine === machine)
    .flatMap((agent) => agent.sessions)
    .find((session) => session.id === id && session.state !== 'ended');
}
