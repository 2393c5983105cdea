/** intercom demo: a first conversation. `--play` is what it starts itself with, for each of its two agents. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { packageRoot } from '../../platform/package.ts';
import { LocalClient } from '../../platform/local-client.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { asOperator } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { safe } from '../print/style.ts';

export function define(program: Command, context: () => Context): void {
  program
    .command('demo')
    .description('Two small demo agents talk; you see a card and answer it. Needs a running `intercom standalone`.')
    .addOption(new Option('--play <role>', 'internal: one of the two agents').choices(['ada', 'ben']).hideHelp())
    .action((options: { play?: 'ada' | 'ben' }) => (options.play === undefined ? demo(context()) : play(options.play)));
}

function self(): string[] {
  return [process.execPath, `${packageRoot()}/bin/intercom.js`];
}

async function demo(context: Context): Promise<void> {
  const { io, paths } = context;
  const { runDemo } = await import('../../demo/demo.ts');
  const home = io.env.INTERCOM_HOME;
  const pageUrl = await pageOf(context);
  const end = await runDemo({
    client: LocalClient.at(paths, () => ({ cwd: io.cwd })),
    command: self(),
    env: io.env,
    out: (line) => io.out(`${safe(line)}\n`),
    pageUrl,
    ...(home === undefined || home === '' ? {} : { cli: `INTERCOM_HOME=${home} intercom` }),
    signal: io.signal,
  });
  if (end === 'stopped')
    throw new IntercomError('cancelled', 'The demo was stopped.', { next: 'Run it again any time.' });
}

async function play(role: 'ada' | 'ben'): Promise<void> {
  const { runDemoAgent } = await import('../../demo/agent.ts');
  const { env, pid, stdin, stdout } = process;
  await runDemoAgent({ role, env, cwd: process.cwd(), pid, stdin, stdout, mcpCommand: [...self(), 'mcp-server'] });
  process.exit(0);
}

/** The page is a help, not a need: without the hub's socket the demo goes on and says the command instead. */
async function pageOf(context: Context): Promise<string | undefined> {
  try {
    return (await asOperator(context, (hub) => hub.signInLink())).url;
  } catch {
    return undefined;
  }
}
