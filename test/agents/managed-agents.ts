/** Agents that a daemon started outlive it: whoever tidies up ends them first, or they write into what is being removed. */
import type { LocalClient } from '../../src/platform/local-client.ts';
import { until } from './mission-rig.ts';

/** Kills the process groups of the runs that this daemon knows, and waits until they are gone. */
export async function endManagedAgents(daemon: LocalClient): Promise<void> {
  const { sessions } = await daemon.status().catch(() => ({ sessions: [] }));
  const groups = sessions.flatMap(({ managed, pid }) => (managed && pid !== undefined ? [pid] : []));
  await Promise.all(groups.map((pid) => until(() => (killGroup(pid) ? undefined : true))));
}

/** Whether there was anything left to kill. */
function killGroup(pid: number): boolean {
  try {
    process.kill(-pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
