/**
 * The agents of this machine: the programs that intercom knows, changed as the configuration says, and those that only the configuration knows. Nobody else names an
 * executable. Answers what the launcher asks, and tells the hub what can be started here.
 */
import type { AgentConfig } from '../../config/launcher.ts';
import type { AgentOffer } from '../../protocol/mission.ts';
import type { Clock } from '../../platform/clock.ts';
import { genericProgram } from './generic/program.ts';
import { cannotHold } from './limit-notes.ts';
import { knownPrograms } from './known-programs.ts';
import { oneLine } from './tool-words.ts';
import { AgentProbe, type Probed } from './probe.ts';
import type { AgentProgram } from './program.ts';

/** An agent that is known here, installed or not. */
export interface CatalogueAgent extends Probed {
  readonly program: AgentProgram;
  readonly config: AgentConfig | undefined;
}

export interface CatalogueOptions {
  /** agent_launcher.agents */
  readonly configured: Readonly<Record<string, AgentConfig>>;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** The programs that intercom knows, where they have to be told something of this machine (known-programs.ts). */
  readonly known?: readonly AgentProgram[];
}

/** Programs come and go; the hub is told within this time. */
const LOOK_AGAIN_MS = 60_000;

export class AgentCatalogue {
  readonly #programs: ReadonlyMap<string, AgentProgram>;
  readonly #options: CatalogueOptions;
  readonly #probe: AgentProbe;
  #offers: readonly AgentOffer[] = [];
  #onChange: () => void = () => undefined;
  #cancel: () => void = () => undefined;

  constructor(options: CatalogueOptions) {
    this.#options = options;
    this.#programs = programsOf(options);
    this.#probe = new AgentProbe({ env: options.env });
  }

  /** Looks now, and again from time to time; `changed` is called when an offer became another. */
  async start(changed: () => void = () => undefined): Promise<void> {
    await this.look();
    this.#onChange = changed;
    this.#cancel = this.#options.clock.every(LOOK_AGAIN_MS, () => void this.look());
  }

  stop(): void {
    this.#cancel();
  }

  names(): readonly string[] {
    return [...this.#programs.keys()];
  }

  programs(): readonly AgentProgram[] {
    return [...this.#programs.values()];
  }

  program(name: string): AgentProgram | undefined {
    return this.#programs.get(name);
  }

  async find(name: string): Promise<CatalogueAgent | undefined> {
    const program = this.#programs.get(name);
    if (program === undefined) return undefined;
    return { program, config: this.#options.configured[name], ...(await this.#probe.probe(program)) };
  }

  /** As last seen; those that are not installed and that nobody configured are left out. */
  offers(): readonly AgentOffer[] {
    return this.#offers;
  }

  async look(): Promise<readonly AgentOffer[]> {
    const found = await Promise.all(this.names().map((name) => this.find(name)));
    const offers = found.flatMap((agent) => {
      if (agent === undefined) return [];
      const wanted = agent.executable !== undefined || agent.config !== undefined;
      return wanted ? [offerOf(agent)] : [];
    });
    const before = JSON.stringify(this.#offers);
    this.#offers = offers;
    if (JSON.stringify(offers) !== before) this.#onChange();
    return offers;
  }
}

function offerOf({ program, version, problem }: CatalogueAgent): AgentOffer {
  return {
    name: program.name,
    ...(version === undefined ? {} : { version: version.slice(0, 60) }),
    runtimes: [...program.runtimes],
    ...(problem === undefined ? {} : { problem: oneLine(problem, 300) }),
    cannotHold: cannotHold(program),
  };
}

function programsOf({ configured, known = knownPrograms() }: CatalogueOptions): ReadonlyMap<string, AgentProgram> {
  const programs = new Map(known.map((program) => [program.name, changed(program, configured[program.name])]));
  for (const [name, config] of Object.entries(configured)) {
    // Without a command there is nothing to start; its name is tried on PATH.
    if (!programs.has(name)) programs.set(name, genericProgram(name, config));
  }
  return programs;
}

/** What the configuration changes about a known program. Its `args` go before a caller's flags, which the launcher puts there. */
function changed(program: AgentProgram, config: AgentConfig | undefined): AgentProgram {
  if (config === undefined) return program;
  return {
    ...program,
    displayName: config.displayName ?? program.displayName,
    executable: config.command ?? program.executable,
    versionArgs: config.versionArgs ?? program.versionArgs,
    allowedFlags: config.flags ?? program.allowedFlags,
    runtimes: config.runtimes?.filter((runtime) => program.runtimes.includes(runtime)) ?? program.runtimes,
  };
}
