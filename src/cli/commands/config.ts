/** intercom config check|show */
import { basename } from 'node:path';
import { Document, isMap, isPair, isScalar, isSeq } from 'yaml';
import type { Command } from 'commander';
import { checkConfig, faultLine, readConfigText } from '../../config/load.ts';
import { maskSecrets } from '../../config/mask.ts';
import { nested, shownKeys, sourceWords } from '../../config/shown.ts';
import type { ShownKey } from '../../config/shown.ts';
import { load } from '../clients/config.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';

export function define(program: Command, context: () => Context): void {
  const config = program.command('config').description('Check the configuration, or show it.');
  config
    .command('check')
    .description('Read the file and name every fault with its line; exit code 2 when there is one.')
    .option('--json', 'the result as JSON')
    .action((options: { json?: true }) => check(context(), options.json === true));
  config
    .command('show')
    .description('Everything that holds now: file, environment and defaults. Secrets are hidden.')
    .option('--json', 'as JSON')
    .action((options: { json?: true }) => show(context(), options.json === true));
}

async function check(context: Context, json: boolean): Promise<void> {
  const { io, paths } = context;
  const style = styleFor(io.colour);
  const path = context.configFile ?? paths.configFile;
  const text = await readConfigText(path, context.configFile !== undefined);
  const checked = checkConfig(text ?? '');
  const faults = checked.ok ? [] : checked.faults;
  // Faults of the environment and the warning about permissions come from loading as the programs do.
  const warnings = checked.ok ? (await load(context)).warnings : checked.warnings;
  if (!checked.ok) context.exit(2);
  if (json) {
    printJson(io, { file: text === undefined ? undefined : path, ok: checked.ok, faults, warnings });
    return;
  }
  for (const fault of faults) io.out(`${style.red('fault')}    ${faultLine(basename(path), fault)}\n`);
  for (const warning of warnings) {
    const line = warning.line === undefined ? '' : `:${warning.line}`;
    io.out(
      `${style.yellow('warning')}  ${basename(path)}${line} ${warning.key === '' ? '' : `${warning.key}: `}${warning.text}\n`,
    );
  }
  if (text === undefined)
    io.out(`${style.green('✓')} There is no ${path}; the defaults hold. \`intercom init\` writes one.\n`);
  else if (checked.ok)
    io.out(`${style.green('✓')} ${path} is good${warnings.length === 0 ? '' : ', but for the warnings above'}.\n`);
  else io.out(`${style.red('✗')} ${path}: ${faults.length} fault${faults.length === 1 ? '' : 's'}.\n`);
}

async function show(context: Context, json: boolean): Promise<void> {
  const { io, paths } = context;
  const { config, file, origin } = await load(context);
  const keys = shownKeys(config, origin);
  const shown = maskSecrets(nested(keys));
  if (json) {
    const from = Object.fromEntries(keys.map(({ path, source }) => [path.join('.'), sourceWords(source)]));
    printJson(io, {
      file,
      paths: { config: paths.config, state: paths.state, runtime: paths.runtime },
      config: shown,
      from,
    });
    return;
  }
  const style = styleFor(io.colour);
  io.out(style.dim(`# file   ${file ?? `none (${paths.configFile} would be read)`}\n# state  ${paths.state}\n`));
  io.out(commented(shown, keys));
}

/** The file's YAML, each value with a comment that says where it comes from. */
function commented(shown: unknown, keys: readonly ShownKey[]): string {
  const document = new Document(shown);
  for (const { path, source } of keys) {
    const words = ` ${sourceWords(source)}`;
    const section = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(section)
      ? section.items.find((item) => isScalar(item.key) && item.key.value === path.at(-1))
      : undefined;
    if (!isPair(pair)) continue;
    const value = pair.value;
    const isShort = isScalar(value) || (isSeq(value) && value.items.every((item) => isScalar(item)));
    if (isSeq(value) && isShort) value.flow = true;
    if (isShort || isMap(value)) value.comment = words;
    else if (isScalar(pair.key)) pair.key.commentBefore = words;
  }
  return document.toString({ lineWidth: 0 });
}
