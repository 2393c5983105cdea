/** docs/agents.md says about each agent what its tables say, no more and no less. UPDATE_DOCS=1 writes it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { knownPrograms } from '../../../src/daemon/agents/known-programs.ts';
import { limitNote } from '../../../src/daemon/agents/limit-notes.ts';
import type { AgentProgram, LimitNote } from '../../../src/daemon/agents/program.ts';
import { AgentLimit, MissionRuntime } from '../../../src/protocol/mission.ts';

const FILE = join(import.meta.dirname, '..', '..', '..', 'docs', 'agents.md');

function verified(programs: readonly AgentProgram[]): string[][] {
  const names = [...new Set(programs.flatMap((one) => one.verified.map(({ property }) => property)))];
  return names.map((name) => [name.replaceAll('_', ' '), ...programs.map((program) => cell(program, name))]);
}

function limits(programs: readonly AgentProgram[]): string[][] {
  const rows = AgentLimit.options.flatMap((limit) => MissionRuntime.options.map((runtime) => ({ limit, runtime })));
  return rows.map((row) => [
    `${row.limit === 'maxTurns' ? 'turns' : 'budget'}, ${row.runtime}`,
    ...programs.map((program) => held(program, row)),
  ]);
}

function held(program: AgentProgram, row: Pick<LimitNote, 'limit' | 'runtime'>): string {
  if (!program.runtimes.includes(row.runtime)) return '–';
  const { holds, note } = limitNote(program, row);
  return note === undefined ? holds : `${holds} (${note})`;
}

/** As prettier lays a table out, so that both stay content. */
function table(programs: readonly AgentProgram[], cells: string[][]): string {
  const rows = [['', ...programs.map(({ displayName }) => displayName)], ...cells];
  const widths = rows[0]?.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join('\n');
}

function cell({ verified }: AgentProgram, property: string): string {
  const row = verified.find((one) => one.property === property);
  if (row === undefined) return 'not looked at';
  const versions = row.versions.length === 0 ? 'no' : row.versions.join(', ');
  return row.note === undefined ? versions : `${versions} (${row.note.replace(/\.$/, '')})`;
}

it('the tables of docs/agents.md are what the programs say', () => {
  const text = readFileSync(FILE, 'utf8');
  const programs = knownPrograms();
  const drawn = { verified: table(programs, verified(programs)), limits: table(programs, limits(programs)) };
  const wanted = Object.entries(drawn).reduce((was, [name, rows]) => {
    const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
    const [before = '', rest = ''] = was.split(begin);
    return `${before}${begin}\n\n${rows}\n\n${end}${rest.split(end)[1] ?? ''}`;
  }, text);
  if (process.env.UPDATE_DOCS === '1') writeFileSync(FILE, wanted);
  else expect(text).toBe(wanted);
});
