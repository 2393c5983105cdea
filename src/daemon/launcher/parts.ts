/** The launcher with its real parts. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemProcesses } from '../agents/process-table.ts';
import { AgentCatalogue } from '../agents/catalogue.ts';
import { extensionHooksFile } from '../agents/gemini/install.ts';
import { knownPrograms } from '../agents/known-programs.ts';
import type { DaemonOptions } from '../options.ts';
import type { Projects } from '../ports.ts';
import type { ManagedSessions } from '../sessions/managed.ts';
import type { Missions } from '../store/missions.ts';
import type { AgentServers } from './agents.ts';
import { passableEnvironment } from './environment.ts';
import { Launcher, OFFERS_WAIT_MS } from './launcher.ts';
import { detachedRunner } from './spawn-runner.ts';

export function launchParts(
  { config, paths, clock, log, env = process.env, home = homedir(), intercom = ownProgram() }: DaemonOptions,
  parts: {
    readonly machineId: string;
    readonly missions: Missions;
    readonly projects: Pick<Projects, 'list'>;
    readonly managed: ManagedSessions;
    readonly servers: AgentServers;
    /** What can be started here has changed. */
    readonly onOffers: () => void;
  },
): { readonly launcher: Launcher; readonly agents: AgentCatalogue } {
  const agents = new AgentCatalogue({
    configured: config.agentLauncher.agents,
    env: passableEnvironment(env),
    clock,
    known: knownPrograms({ geminiHooked: () => existsSync(extensionHooksFile(join(home, '.gemini'))) }),
  });
  const began = clock.monotonic();
  const offersKnown = agents
    .start(parts.onOffers)
    .then(() => {
      // The first hello did not wait for it.
      if (clock.monotonic() - began > OFFERS_WAIT_MS) parts.onOffers();
    })
    .catch((error: unknown) => log.warn({ err: error }, 'the agents of this machine could not be looked at'));
  const launcher = new Launcher({
    machineId: parts.machineId,
    config: config.agentLauncher,
    state: paths.state,
    missions: parts.missions,
    projects: parts.projects,
    agents,
    managed: parts.managed,
    servers: parts.servers,
    offersKnown,
    processes: systemProcesses,
    spawnRunner: detachedRunner(intercom, env),
    intercom,
    env,
    clock,
    log,
  });
  return { launcher, agents };
}

function ownProgram(): readonly string[] {
  return [process.execPath, process.argv[1] ?? 'intercom'];
}
