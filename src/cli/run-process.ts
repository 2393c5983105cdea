/** Joins the program to this process: real streams, signals, exit code. */
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Io } from './io.ts';
import { run } from './program.ts';

const SERVICES: readonly string[] = ['hub', 'daemon', 'standalone'];
/** What may still be open when all work is done gets this long. Milliseconds. */
const LINGER_MS = 2_000;

export async function runProcess(args: readonly string[]): Promise<void> {
  const isService = args.some((arg) => SERVICES.includes(arg));
  // A reader that goes away (`intercom events | head`) is the end of the work, not a fault; a service goes on without one.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!isService) process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  process.stderr.on('error', () => undefined);
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    // The second one means it.
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stop.abort(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.exitCode = await run(args, processIo(stop.signal));
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

function processIo(signal: AbortSignal): Io {
  const { env, stdin, stdout, stderr } = process;
  const tty = stdout.isTTY;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    env,
    cwd: process.cwd(),
    home: homedir(),
    ppid: process.ppid,
    tty,
    errTty: stderr.isTTY,
    interactive: stdin.isTTY && stderr.isTTY,
    colour: (tty && !env.NO_COLOR && env.TERM !== 'dumb') || (env.FORCE_COLOR ?? '0') !== '0',
    columns: Math.max(40, tty ? stdout.columns : 80),
    now: () => Date.now(),
    ask: (question, options) => ask(question, options?.hidden ?? false, signal),
    readInput: (max) => readAll(max),
    signal,
  };
}

/** Asks on stderr, so that stdout holds only results. */
function ask(question: string, hidden: boolean, signal: AbortSignal): Promise<string | undefined> {
  const muted = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, output: hidden ? muted : process.stderr, terminal: hidden });
  return new Promise((resolve) => {
    const finish = (answer: string | undefined): void => {
      lines.close();
      if (hidden || answer === undefined) process.stderr.write('\n');
      resolve(answer);
    };
    lines.once('line', finish);
    lines.once('close', () => resolve(undefined));
    lines.once('SIGINT', () => finish(undefined));
    signal.addEventListener('abort', () => finish(undefined), { once: true });
  });
}

async function readAll(max: number): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > max) return text.slice(0, max + 1);
  }
  return text;
}
