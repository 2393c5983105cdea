/** intercom doctor: every check at once, one line each; exit code 1 when one fails. */
import type { Command } from 'commander';
import { findAgent, requirePerson } from '../agent-environment.ts';
import { confirm } from '../confirm.ts';
import { checkAgents, checkAgentsLive } from '../doctor/agents.ts';
import type { Finding } from '../doctor/check.ts';
import { checkConfiguration, checkDisk, checkFiles, checkHooks, checkNode, checkTailscale } from '../doctor/here.ts';
import { checkDaemon, checkHub } from '../doctor/mesh.ts';
import { checkTelegramItself } from '../doctor/telegram.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import type { Style } from '../print/style.ts';
import { plural } from '../print/words.ts';

export function define(program: Command, context: () => Context): void {
  program
    .command('doctor')
    .description('Look for what is wrong on this machine and in its mesh, and say what to do.')
    .option(
      '--live',
      'start a throwaway run of each agent and wait for its answer; each costs its account a few tokens',
    )
    .option('--yes', 'with --live: do not ask before')
    .option('--json', 'the findings as JSON')
    .action((options: Options) => doctor(context(), options));
}

interface Options {
  readonly json?: true;
  readonly live?: true;
  readonly yes?: true;
}

async function doctor(context: Context, options: Options): Promise<void> {
  const { io } = context;
  const json = options.json === true;
  if (options.live === true) await mayStartAgents(context, options.yes === true);
  const { findings: configuration, loaded } = await checkConfiguration(context);
  const mode = loaded?.config.mode ?? 'standalone';
  const groups = await Promise.all([
    checkFiles(context).then(one),
    checkDisk(context).then(one),
    checkDaemon(context, mode),
    checkHub(context, mode, loaded?.config.machine.id),
    checkTelegramItself(context, loaded?.config),
    checkAgents(context, loaded?.config),
    checkHooks(context).then(one),
    checkTailscale().then(one),
  ]);
  const live = options.live === true ? await checkAgentsLive(context, loaded?.config) : [];
  const findings = [checkNode(), ...configuration, ...groups.flat(), ...live];
  const failed = findings.filter((finding) => finding.state === 'fail').length;
  const warned = findings.filter((finding) => finding.state === 'warn').length;
  if (failed > 0) context.exit(1);
  if (json) {
    printJson(io, { ok: failed === 0, findings });
    return;
  }
  const style = styleFor(io.colour);
  const width = Math.max(...findings.map((finding) => finding.name.length));
  for (const finding of findings) io.out(findingLine(finding, width, style));
  const agent = findAgent(io.env, io.ppid);
  if (agent !== undefined)
    io.out(style.dim(`\nAn agent runs this (${agent.evidence}); operator checks were left out.\n`));
  io.out(`\n${summary(failed, warned, style)}\n`);
}

/** It spends the person's account, so only the person may, and is asked. */
async function mayStartAgents({ io }: Context, yes: boolean): Promise<void> {
  requirePerson(io);
  await confirm(io, 'Start each installed agent once, with its own account, for one short answer?', yes);
}

function findingLine(finding: Finding, width: number, style: Style): string {
  const mark = { ok: style.green('✓'), warn: style.yellow('!'), fail: style.red('✗'), skipped: style.dim('–') }[
    finding.state
  ];
  const text = finding.state === 'skipped' ? style.dim(safe(finding.text)) : safe(finding.text);
  const next = finding.next === undefined ? '' : `  ${' '.repeat(width)}  ${style.dim('→')} ${safe(finding.next)}\n`;
  return `${mark} ${safe(finding.name).padEnd(width)}  ${text}\n${next}`;
}

function summary(failed: number, warned: number, style: Style): string {
  if (failed > 0)
    return style.red(`${plural(failed, 'thing')} to repair${warned > 0 ? `, ${plural(warned, 'warning')}` : ''}.`);
  return warned > 0 ? style.yellow(`It works, with ${plural(warned, 'warning')}.`) : style.green('All is well.');
}

function one(finding: Finding): Finding[] {
  return [finding];
}
