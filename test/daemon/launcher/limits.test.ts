/** Limits that an agent cannot be held to: another runtime is taken, or the mission is refused in words, before anything runs. */
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { launcherOf, launcherSection } from '../../../src/config/launcher.ts';
import { claudeProgram } from '../../../src/daemon/agents/claude/program.ts';
import { codexProgram } from '../../../src/daemon/agents/codex/program.ts';
import { cannotHold } from '../../../src/daemon/agents/limit-notes.ts';
import type { AgentProgram } from '../../../src/daemon/agents/program.ts';
import { prepare } from '../../../src/daemon/launcher/checks.ts';
import { offersOf } from '../../../src/daemon/launcher/offers.ts';
import type { AgentOffer } from '../../../src/protocol/mission.ts';
import { Project } from '../../../src/protocol/model.ts';
import { missionItem } from './rig.ts';

const PROGRAMS: Readonly<Record<string, AgentProgram>> = { claude: claudeProgram, codex: codexProgram };

const configOf = (config: object) => launcherOf(launcherSection.parse(config), (path) => path);

async function prepared(spec: object, config: object = {}): Promise<string> {
  const parts = {
    machineId: 'laptop',
    config: configOf(config),
    projects: { list: () => [Project.parse({ id: 'api', path: tmpdir() })] },
    agents: {
      find: (name: string) => {
        const program = PROGRAMS[name];
        const found = { executable: '/bin/true', version: '9.9.9', problem: undefined, config: undefined };
        return Promise.resolve(program === undefined ? undefined : { program, ...found });
      },
      offers: () => [],
      names: () => Object.keys(PROGRAMS),
    },
  };
  const item = missionItem('spend', { spec: { agent: 'claude', ...spec } });
  return prepare(parts, item, undefined).then(({ runtime }) => runtime, String);
}

describe('a limit that an agent cannot be held to', () => {
  const budget = { maxBudgetUsd: 2 };
  const cases: [name: string, spec: object, config: object, outcome: RegExp][] = [
    ['no limit: the best runtime', {}, {}, /^terminal$/],
    ['turns hold in both', { limits: { maxTurns: 3 } }, {}, /^terminal$/],
    ['a budget of Claude Code: headless', { limits: budget }, {}, /^headless$/],
    ['the budget of the machine counts as well', {}, { max_budget_usd: 5 }, /^headless$/],
    [
      'a budget in a terminal is refused',
      { limits: budget, runtime: 'terminal' },
      {},
      /Claude Code cannot be held to a budget in dollars as terminal/,
    ],
    ['a budget of Codex is refused', { agent: 'codex', limits: budget }, {}, /Codex cannot be held to a budget/],
  ];
  for (const [name, spec, config, outcome] of cases) {
    it(name, async () => {
      expect(await prepared(spec, config)).toMatch(outcome);
    });
  }

  it('is part of what the machine offers', () => {
    const offers: AgentOffer[] = Object.values(PROGRAMS).map((program) => ({
      name: program.name,
      version: '9.9.9',
      runtimes: [...program.runtimes],
      cannotHold: cannotHold(program),
    }));
    expect(offersOf(configOf({}), offers)).toEqual(offers);
    const [claude, codex] = offersOf(configOf({ max_budget_usd: 5 }), offers);
    expect(claude).toMatchObject({ runtimes: ['headless'] });
    expect(claude?.problem).toBeUndefined();
    expect(codex?.problem).toMatch(/sets a budget in dollars, and it cannot be held to that/);
    expect(offersOf(configOf({ max_concurrent: 0 }), offers)[0]?.problem).toMatch(/max_concurrent: 0/);
  });
});
