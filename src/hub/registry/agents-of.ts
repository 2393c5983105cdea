/** The agents of the mesh as others see them: each project with its machine's status and its live sessions. */
import { formatAddress } from '../../protocol/address.ts';
import type { Agent, MachineStatus, Project, Session } from '../../protocol/model.ts';
import type { MachineRow } from '../store/schema.ts';

export function agentsOf(
  machines: readonly MachineRow[],
  statusOf: (row: MachineRow) => MachineStatus,
  projects: ReadonlyMap<string, readonly Project[]>,
  sessions: ReadonlyMap<string, readonly Session[]>,
): Agent[] {
  return machines.flatMap((row) => {
    const live = sessions.get(row.id) ?? [];
    const listed = projects.get(row.id) ?? [];
    return [...listed, ...unlisted(listed, live)].map((project) => ({
      address: formatAddress({ kind: 'agent', machine: row.id, project: project.id }),
      machine: row.id,
      machineName: row.display_name,
      machineStatus: statusOf(row),
      project,
      sessions: live.filter((session) => session.project === project.id),
    }));
  });
}

/** A session may be known a moment before the project that it runs in. */
function unlisted(projects: readonly Project[], sessions: readonly Session[]): Project[] {
  const known = new Set(projects.map((project) => project.id));
  const found: Project[] = [];
  for (const session of sessions) {
    if (known.has(session.project)) continue;
    known.add(session.project);
    const { project: id, cwd: path, agent } = session;
    found.push({ id, path, agent, description: '', capabilities: [], tags: [], source: 'session' });
  }
  return found;
}
