/**
 * The command line program: finds the command in the arguments, imports its file alone, lets commander parse, and turns whatever is thrown
 * into two lines and an exit code.
 *
 * Exit codes derive from the error codes (protocol/errors.ts): 0 done · 1 a fault · 2 usage · 3 not found · 4 refused by policy or
 * a person · 5 not allowed · 6 unreachable or away · 7 conflict · 8 limit.
 */
import { Command, CommanderError } from 'commander';
import { nearest } from '../config/nearest.ts';
import { VERSION } from '../platform/package.ts';
import { resolvePaths } from '../platform/paths.ts';
import { IntercomError } from '../protocol/errors.ts';
import { COMMANDS, helpText } from './catalogue.ts';
import type { CommandFacts } from './catalogue.ts';
import type { Context, Io } from './io.ts';
import { failureText } from './print/failure.ts';
import { styleFor } from './print/style.ts';

/** Runs one command line; the answer is the exit code. Prints through `io` alone and never throws. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const style = styleFor(io.colour && !args.includes('--no-color'));
  try {
    return await dispatch(args, { ...io, colour: io.colour && !args.includes('--no-color') });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const failure = failureText(error instanceof CommanderError ? usageError(error, args) : error, style, {
      json: args.includes('--json'),
      details: io.env.INTERCOM_LOG === 'debug' || io.env.INTERCOM_LOG === 'trace',
    });
    io.err(failure.text);
    return failure.exitCode;
  }
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  const given = args[0] === 'help' ? [...args.slice(1), '--help'] : [...args];
  const name = commandName(given);
  if (name === undefined) {
    if (given.includes('--version') || given.includes('-V')) {
      io.out(`${VERSION}\n`);
      return 0;
    }
    const odd = given.find(
      (arg) => arg.startsWith('-') && !GLOBAL_FLAGS.some((flag) => arg === flag || arg.startsWith(`${flag}=`)),
    );
    if (odd !== undefined)
      throw new CommanderError(1, 'commander.unknownOption', `error: unknown option '${odd.slice(0, 60)}'`);
    io.out(helpText(styleFor(io.colour)));
    return 0;
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) throw unknownCommand(name);
  return parse(command, given, io);
}

async function parse(facts: CommandFacts, args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const program = new Command('intercom')
    .option('--config <file>', 'configuration file to use')
    .option(
      '--hub <url>',
      'hub to speak to as an operator (default: the one on this machine, or that of `intercom login`)',
    )
    .option('--no-color', 'no colours')
    .version(VERSION, '-V, --version')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, helpWidth: Math.min(io.columns, 100) })
    .configureOutput({ writeOut: io.out, writeErr: () => undefined, getOutHasColors: () => io.colour })
    .exitOverride();
  const context = (): Context => {
    const options = program.opts<{ config?: string; hub?: string }>();
    return {
      io,
      configFile: options.config,
      hubUrl: options.hub,
      paths: resolvePaths(io.env, io.home),
      exit: (code) => {
        exitCode = code;
      },
    };
  };
  const { define } = await facts.load();
  define(program, context);
  inherit(program, io);
  await program.parseAsync([...args], { from: 'user' });
  return exitCode;
}

// Commander copies these settings to subcommands made by `command()` only when they were set before; groups nest, so set them on all.
function inherit(command: Command, io: Io): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command).helpCommand(false).exitOverride();
    child.configureOutput({ writeOut: io.out, writeErr: () => undefined });
    inherit(child, io);
  }
}

const VALUE_FLAGS = ['--config', '--hub'];
const GLOBAL_FLAGS = [...VALUE_FLAGS, '--no-color', '--help', '-h', '--version', '-V', '--json'];

/** The first argument that is neither an option nor the value of a global one. */
function commandName(args: readonly string[]): string | undefined {
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (VALUE_FLAGS.includes(arg)) index += 1;
    else if (!arg.startsWith('-')) return arg;
  }
  return undefined;
}

function unknownCommand(name: string): IntercomError {
  const near = nearest(
    name,
    COMMANDS.map((command) => command.name),
  );
  return new IntercomError('invalid_request', `"${name.slice(0, 60)}" is not a command of intercom.`, {
    next: near === undefined ? '`intercom --help` lists the commands.' : `Did you mean \`intercom ${near}\`?`,
  });
}

function usageError(error: CommanderError, args: readonly string[]): IntercomError {
  const [line = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const hint = rest.join(' ').trim();
  const name = commandName(args);
  const help = `\`intercom ${name === undefined ? '' : `${name} `}--help\` shows how it is used.`;
  return new IntercomError('invalid_request', `${line.charAt(0).toUpperCase()}${line.slice(1)}.`, {
    next: hint === '' ? help : `${hint.replace(/^\(|\)$/g, '')} ${help}`,
  });
}
