/** intercom init: writes a commented configuration, by asking where somebody can be asked, else from flags. */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { machineIdOf } from '../../config/config.ts';
import { checkConfig, faultError } from '../../config/load.ts';
import { configTemplate } from '../../config/template.ts';
import type { InitAnswers } from '../../config/template.ts';
import { readIfThere, replaceFile } from '../../platform/files.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Context, Io } from '../io.ts';
import { printJson } from '../print/json.ts';
import { styleFor } from '../print/style.ts';

interface InitOptions {
  readonly mode?: 'standalone' | 'hub' | 'daemon';
  readonly id?: string;
  readonly name?: string;
  readonly scan?: readonly string[];
  readonly hubUrl?: string;
  readonly dashboardUrl?: string;
  readonly telegramGroup?: string;
  readonly telegramOwner?: string;
  readonly force?: true;
  readonly yes?: true;
  readonly json?: true;
}

const MODES = ['standalone', 'hub', 'daemon'] as const;

export function define(program: Command, context: () => Context): void {
  program
    .command('init')
    .description('Write a commented configuration (0600). Asks at a terminal; flags answer beforehand.')
    .addOption(new Option('--mode <mode>', 'what runs here').choices(['standalone', 'hub', 'daemon']))
    .option('--id <machine>', 'id of this machine (default: its host name)')
    .option('--name <text>', 'its name for people')
    .option('--scan <folder...>', 'folders whose projects are found by themselves')
    .option('--hub-url <url>', 'the hub of a daemon')
    .option('--dashboard-url <url>', 'the web app as a phone reaches it')
    .option('--telegram-group <id>', 'Telegram group; the bot token is asked for, or taken from TELEGRAM_BOT_TOKEN')
    .option('--telegram-owner <ids>', 'Telegram user ids that may decide, with commas')
    .option('--force', 'replace a configuration that is there; the old one is kept as config.yml.bak')
    .option('-y, --yes', 'do not ask; take flags and defaults')
    .option('--json', 'the result as JSON')
    .action((options: InitOptions) => init(context(), options));
}

async function init(context: Context, options: InitOptions): Promise<void> {
  const { io, paths } = context;
  const file = context.configFile ?? paths.configFile;
  const present = await readIfThere(file);
  if (present !== undefined && options.force !== true) {
    throw new IntercomError('conflict', `There is a configuration already: ${file}.`, {
      next: 'Edit it, look at it with `intercom config show`, or replace it with --force.',
    });
  }
  const asks = io.interactive && options.yes !== true;
  const answers = asks ? await askAll(io, options) : fromFlags(io, options);
  const text = configTemplate(answers);
  const checked = checkConfig(text);
  if (!checked.ok) throw faultError(basename(file), checked.faults);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (present !== undefined) await replaceFile(`${file}.bak`, present);
  await replaceFile(file, text);
  if (options.json === true) {
    printJson(io, { file, mode: answers.mode, machineId: answers.machineId });
    return;
  }
  const style = styleFor(io.colour);
  io.out(`${style.green('✓')} Written: ${file}\n\nNext:  ${style.cyan(nextStep(answers))}\n`);
}

function nextStep(answers: InitAnswers): string {
  if (answers.mode !== 'daemon') return `intercom hooks install && intercom ${answers.mode}`;
  return answers.hubUrl === undefined ? 'intercom join' : `intercom join ${answers.hubUrl}`;
}

function fromFlags(io: Io, options: InitOptions): InitAnswers {
  const botToken = io.env.TELEGRAM_BOT_TOKEN ?? '';
  const wanted = options.telegramGroup !== undefined || options.telegramOwner !== undefined;
  if (wanted && botToken === '') {
    throw new IntercomError('invalid_request', 'The bot token is missing.', {
      next: 'Put it into the variable TELEGRAM_BOT_TOKEN, or run `intercom init` at a terminal. It is never an argument: others could read it.',
    });
  }
  return {
    ...common(options),
    mode: options.mode ?? 'standalone',
    machineId: options.id ?? machineIdOf(hostname()),
    scanPaths: options.scan ?? [],
    ...(options.hubUrl === undefined ? {} : { hubUrl: options.hubUrl }),
    ...(wanted ? { telegram: telegramOf(botToken, options.telegramGroup ?? '', options.telegramOwner ?? '') } : {}),
  };
}

async function askAll(io: Io, options: InitOptions): Promise<InitAnswers> {
  const style = styleFor(io.colour);
  io.err(
    `${style.bold('intercom init')} ${style.dim('Enter takes what is in brackets; nothing is written before the end.')}\n\n`,
  );
  const mode = options.mode ?? (await choose(io, 'What runs on this machine', MODES));
  const machineId = options.id ?? (await question(io, 'Id of this machine', machineIdOf(hostname())));
  const scan = options.scan ?? list(await question(io, 'Folders with your projects, with commas (empty: none)', ''));
  const hubUrl =
    options.hubUrl ??
    (mode === 'daemon' ? await question(io, 'Address of the hub (empty: found by `intercom join`)', '') : '');
  const telegram = mode === 'daemon' ? undefined : await askTelegram(io, options);
  return {
    ...common(options),
    mode,
    machineId,
    scanPaths: scan,
    ...(hubUrl === '' ? {} : { hubUrl }),
    ...(telegram === undefined ? {} : { telegram }),
  };
}

async function askTelegram(io: Io, options: InitOptions): Promise<InitAnswers['telegram']> {
  const asked = options.telegramGroup !== undefined || options.telegramOwner !== undefined;
  const use = asked || /^y/i.test(await question(io, 'Use Telegram? (y/N)', 'n'));
  if (!use) return undefined;
  const token = (await io.ask('Bot token from @BotFather (not shown): ', { hidden: true }))?.trim() ?? '';
  const group = options.telegramGroup ?? (await question(io, 'Id of the group, negative (empty: private chat)', ''));
  const owners = options.telegramOwner ?? (await question(io, 'Your Telegram user id (several with commas)', ''));
  return telegramOf(token, group, owners);
}

function common(options: InitOptions): Pick<InitAnswers, 'displayName' | 'dashboardUrl'> {
  return {
    ...(options.name === undefined ? {} : { displayName: options.name }),
    ...(options.dashboardUrl === undefined ? {} : { dashboardUrl: options.dashboardUrl }),
  };
}

function telegramOf(botToken: string, group: string, owners: string): NonNullable<InitAnswers['telegram']> {
  const ownerIds = list(owners).map((one) => whole(one, 'A Telegram user id'));
  return { botToken, ownerIds, ...(group === '' ? {} : { supergroupId: whole(group, 'The id of the group') }) };
}

function whole(text: string, what: string): number {
  const value = Number(text);
  if (!/^-?[0-9]{1,16}$/.test(text.trim()) || !Number.isSafeInteger(value)) {
    throw new IntercomError('invalid_request', `${what} is a whole number.`, {
      next: '@userinfobot tells your own id; a group id begins with -100.',
    });
  }
  return value;
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

async function question(io: Io, text: string, fallback: string): Promise<string> {
  const answer = await io.ask(`${text}${fallback === '' ? '' : ` [${fallback}]`}: `);
  if (answer === undefined)
    throw new IntercomError('cancelled', 'Nothing was written.', { next: 'Run `intercom init` again.' });
  return answer.trim() === '' ? fallback : answer.trim();
}

async function choose<T extends string>(io: Io, text: string, choices: readonly [T, ...T[]]): Promise<T> {
  for (;;) {
    const answer = await question(io, `${text} (${choices.join(', ')})`, choices[0]);
    const chosen = choices.find((one) => one === answer);
    if (chosen !== undefined) return chosen;
    io.err(`Please one of: ${choices.join(', ')}.\n`);
  }
}
