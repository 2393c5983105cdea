/** intercom hooks install|uninstall|status */
import type { Command } from 'commander';
import { hooksStatus, installHooks, uninstallHooks } from '../../daemon/agents/claude/install.ts';
import type { InstallReport } from '../../daemon/agents/claude/install.ts';
import { geminiHooksStatus, installGemini, uninstallGemini } from '../../daemon/agents/gemini/install.ts';
import { claudePlaces } from '../hooks/claude-places.ts';
import { geminiPlaces } from '../hooks/gemini-places.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';

const NOTHING: InstallReport = { changes: [] };

interface Json {
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  const hooks = program
    .command('hooks')
    .description('What Claude Code and Gemini CLI need to hear of their mail: hooks, MCP server, skill.');
  hooks
    .command('install')
    .description('Add them to your own settings; what is there stays as it is. Again: brings them up to date.')
    .option('--statusline', 'also pass on what Claude Code tells its status line (your own stays as it is)')
    .option('--json', 'the result as JSON')
    .action(async (options: Json & { readonly statusline?: true }) => {
      const given = context();
      const gemini = geminiPlaces(given);
      const forClaude = await installHooks({ ...claudePlaces(given), statusLine: options.statusline === true });
      const forGemini = gemini === undefined ? NOTHING : await installGemini(gemini);
      const report = { changes: [...forClaude.changes, ...forGemini.changes] };
      say(given, report, options, 'Everything was installed already; nothing to do.');
      if (options.json !== true && report.changes.length > 0)
        given.io.out('Sessions that run now keep their old hooks until they are started again.\n');
    });
  hooks
    .command('uninstall')
    .description('Take them out again and leave the files as they were.')
    .option('--json', 'the result as JSON')
    .action(async (options: Json) => {
      const given = context();
      const gemini = geminiPlaces(given);
      const forClaude = await uninstallHooks(claudePlaces(given));
      const forGemini = gemini === undefined ? NOTHING : await uninstallGemini(gemini);
      const report = { changes: [...forClaude.changes, ...forGemini.changes] };
      say(given, report, options, 'Nothing of ours was there.');
    });
  hooks
    .command('status', { isDefault: true })
    .description('What is installed, and whether it is current.')
    .option('--json', 'the result as JSON')
    .action((options: Json) => status(context(), options));
}

function say({ io }: Context, report: InstallReport, options: Json, nothing: string): void {
  if (options.json === true) {
    printJson(io, report);
    return;
  }
  const style = styleFor(io.colour);
  for (const { file, what } of report.changes) io.out(`${style.green('✓')} ${what}  ${style.dim(file)}\n`);
  if (report.changes.length === 0) io.out(`${nothing}\n`);
}

async function status(context: Context, options: Json): Promise<void> {
  const { io } = context;
  const found = await hooksStatus(claudePlaces(context));
  const places = geminiPlaces(context);
  const gemini = places === undefined ? undefined : await geminiHooksStatus(places);
  if (options.json === true) {
    printJson(io, gemini === undefined ? found : { ...found, gemini });
    return;
  }
  const style = styleFor(io.colour);
  for (const { name, ok, detail } of found.parts)
    io.out(`${ok ? style.green('✓') : style.yellow('○')} ${name}  ${style.dim(detail)}\n`);
  if (gemini !== undefined) {
    const mark = gemini === 'installed' ? style.green('✓') : style.yellow('○');
    io.out(`${mark} extension of Gemini CLI  ${style.dim(gemini)}\n`);
  }
  if (found.state !== 'installed' || (gemini !== undefined && gemini !== 'installed'))
    io.out(
      `\n${found.state === 'absent' ? 'Not installed' : 'Not complete or not current'}: ${style.cyan('intercom hooks install')}\n`,
    );
}
