/** docs/agents.md says about each agent what its table says, no more and no less. UPDATE_DOCS=1 writes it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { knownPrograms } from '../../../src/daemon/agents/known-programs.ts';
import type { AgentProgram } from '../../../src/daemon/agents/program.ts';

const FILE = join(import.meta.dirname, '..', '..', '..', 'docs', 'agents.md');
const [BEGIN, END] = ['<!-- verified: begin -->', '<!-- verified: end -->'];

/** As prettier lays a table out, so that both stay content. */
function table(programs: readonly AgentProgram[]): string {
  const names = [...new Set(programs.flatMap(({ verified }) => verified.map(({ property }) => property)))];
  const rows = [['', ...programs.map(({ displayName }) => displayName)]].concat(
    names.map((name) => [name.replaceAll('_', ' '), ...programs.map((program) => cell(program, name))]),
  );
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

it('the table of docs/agents.md is what the programs say', () => {
  const text = readFileSync(FILE, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const after = rest.split(END)[1] ?? '';
  const wanted = `${before}${BEGIN}\n\n${table(knownPrograms())}\n\n${END}${after}`;
  if (process.env.UPDATE_DOCS === '1') writeFileSync(FILE, wanted);
  else expect(text).toBe(wanted);
});
