/** `npm run bench`: measures the budgets of the design on this machine and prints one table. `--quick` proves only that it runs. */
import { cpus } from 'node:os';
import { attentionFigures } from './attention.ts';
import { messageFigures } from './messages.ts';
import { daemonFigures, startFigures } from './programs.ts';
import { growthFigures } from './growth.ts';
import { terminalFigures } from './terminal.ts';
import { usageFigures } from './usage.ts';
import { permissionFigures } from './permission.ts';
import { wakeFigures } from './wake.ts';
import { missionFigures } from './missions.ts';
import { table, type Figure } from './figures.ts';

const quick = process.argv.includes('--quick');
const parts: readonly { readonly name: string; readonly run: (quick: boolean) => Promise<Figure[]> }[] = [
  { name: 'messages', run: messageFigures },
  { name: 'start', run: startFigures },
  { name: 'daemon', run: daemonFigures },
  { name: 'growth', run: growthFigures },
  { name: 'terminal', run: terminalFigures },
  { name: 'missions', run: missionFigures },
  { name: 'usage', run: usageFigures },
  { name: 'attention', run: attentionFigures },
  { name: 'wake', run: wakeFigures },
  { name: 'permission', run: permissionFigures },
];
const only = process.argv.slice(2).filter((word) => !word.startsWith('--'));

const figures: Figure[] = [];
for (const part of parts) {
  if (only.length > 0 && !only.includes(part.name)) continue;
  const start = performance.now();
  figures.push(...(await part.run(quick)));
  console.error(`${part.name}: measured in ${((performance.now() - start) / 1000).toFixed(0)} s`);
}
console.log(
  `\nNode ${process.versions.node}, ${cpus().length} cores, medians unless said otherwise${quick ? '; a quick run, figures are rough' : ''}\n`,
);
console.log(table(figures));
