/**
 * intercom attach <session>: a session's terminal in this one. Read-only, unless it is taken over with --take; a key detaches, and the session goes on.
 */
import { StringDecoder } from 'node:string_decoder';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { systemClock } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { TerminalFrame } from '../../protocol/terminal-stream.ts';
import { requirePerson } from '../agent-environment.ts';
import { Viewer } from '../attach/viewer.ts';
import { asOperator, localDaemon } from '../clients/connect.ts';
import { hubTerminal, localTerminal, openTerminal } from '../clients/terminal-stream.ts';
import type { StreamAddress, TerminalStream } from '../clients/terminal-stream.ts';
import type { Context } from '../io.ts';
import { safe } from '../print/style.ts';
import { findSession } from './sessions.ts';

/** Characters of one input frame: three bytes at most in UTF-8. */
const INPUT_CHUNK = 16 * 1024;

interface DetachKey {
  readonly byte: number;
  readonly name: string;
}

const DEFAULT_KEY: DetachKey = { byte: 0x1c, name: 'Ctrl-\\' };

export function define(program: Command, context: () => Context): void {
  program
    .command('attach')
    .description(
      "Watch the terminal of a session that intercom started (a mission's, or `intercom run`), or take it over.",
    )
    .argument('<session>', 'machine/project#session, or the beginning of the session id')
    .option('--take', 'take the keyboard: what you type goes to the agent')
    .option('--detach-key <key>', 'the key that detaches, like ctrl-] (default: ctrl-\\)', detachKey)
    .action((session: string, options: { take?: true; detachKey?: DetachKey }) =>
      attach(context(), session, { take: options.take === true, key: options.detachKey ?? DEFAULT_KEY }),
    );
}

/** "ctrl-x", "^x". */
function detachKey(text: string): DetachKey {
  const letter = /^(?:ctrl-|c-|\^)([a-z@[\\\]^_])$/i.exec(text)?.[1]?.toUpperCase();
  if (letter === undefined) throw new InvalidArgumentError('Write it like ctrl-] or ^a.');
  return { byte: letter.charCodeAt(0) & 0x1f, name: `Ctrl-${letter.toLowerCase()}` };
}

interface Wish {
  readonly take: boolean;
  readonly key: DetachKey;
}

async function attach(context: Context, name: string, wish: Wish): Promise<void> {
  const { io } = context;
  requirePerson(io);
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new IntercomError('invalid_request', 'A terminal can only be joined from a terminal.', {
      next: '`intercom sessions show` prints one look at it.',
    });
  }
  const attachment = new Attachment(wish);
  try {
    const end = await attachment.run(await addressOf(context, name, wish.take), io.signal);
    attachment.close();
    io.err(`${safe(end)}\n`);
  } finally {
    attachment.close();
  }
}

/** The session is of this machine where its daemon knows it; the hub knows all. */
async function addressOf(context: Context, name: string, write: boolean): Promise<StreamAddress> {
  const id = name.split('#').at(-1) ?? name;
  const here = await localDaemon(context)
    .status()
    .then(
      ({ sessions }) =>
        sessions.filter((session) => session.id === id || (id.length >= 4 && session.id.startsWith(id))),
      () => [],
    );
  const [only] = here;
  if (only !== undefined && here.length === 1) {
    const address = await localTerminal(context.paths, only.id, write);
    if (address !== undefined) return address;
  }
  return asOperator(context, async (hub) => {
    const { agent, session } = findSession((await hub.agents('all')).agents, name);
    return hubTerminal(hub.access, agent.machine, session.id, write);
  });
}

class Attachment {
  readonly #wish: Wish;
  readonly #decoder = new StringDecoder('utf8');
  #viewer: Viewer | undefined;
  #stream: TerminalStream | undefined;
  #typing = false;
  #greeted = false;
  #finish: (words: string) => void = () => undefined;
  readonly #onKeys = (bytes: Buffer): void => this.#keys(bytes);
  readonly #onResize = (): void => this.#resize();

  constructor(wish: Wish) {
    this.#wish = wish;
  }

  /** Resolves with how it ended, in words. */
  async run(address: StreamAddress, signal: AbortSignal): Promise<string> {
    const ended = new Promise<string>((resolve) => (this.#finish = resolve));
    signal.addEventListener('abort', () => this.#finish('Detached.'), { once: true });
    const early: (TerminalFrame | Uint8Array)[] = [];
    let take = (one: TerminalFrame | Uint8Array): void => void early.push(one);
    this.#stream = await openTerminal(address, {
      frame: (frame) => take(frame),
      output: (bytes) => take(bytes),
      closed: (reason) =>
        this.#finish(`The connection ended${reason === '' ? '' : `: ${reason}`}. The session goes on.`),
    });
    const { stdin, stdout } = process;
    this.#viewer = new Viewer({
      out: (text) => void stdout.write(text),
      size: () => ({ cols: stdout.columns, rows: stdout.rows }),
      clock: systemClock,
    });
    take = (one) => (one instanceof Uint8Array ? this.#viewer?.output(one) : this.#frame(one));
    for (const one of early) take(one);
    stdin.setRawMode(true);
    stdin.on('data', this.#onKeys);
    stdin.resume();
    stdout.on('resize', this.#onResize);
    if (this.#wish.take) this.#stream.send({ frame: 'take' });
    return ended;
  }

  close(): void {
    const { stdin, stdout } = process;
    this.#viewer?.close();
    this.#stream?.close();
    stdin.off('data', this.#onKeys);
    stdout.off('resize', this.#onResize);
    stdin.setRawMode(false);
    stdin.pause();
    stdin.unref();
  }

  #frame(frame: TerminalFrame): void {
    const viewer = this.#viewer;
    if (frame.frame === 'snapshot') viewer?.snapshot(frame);
    else if (frame.frame === 'resized') viewer?.resized(frame.cols, frame.rows);
    else if (frame.frame === 'keyboard') this.#keyboard(frame.you, frame.holder);
    else if (frame.frame === 'refused') viewer?.notice(` ${safe(frame.reason)} `);
    else this.#finish(endWords(frame));
    if (frame.frame === 'snapshot' || frame.frame === 'resized') this.#greet(frame.frame === 'resized');
  }

  /** Once: how to leave, and whether anything is out of sight. */
  #greet(resized: boolean): void {
    const viewer = this.#viewer;
    const size = viewer?.size;
    if (size === undefined || (this.#greeted && !resized)) return;
    const cut =
      viewer?.isCut === true ? ` · it is ${size.cols}×${size.rows}, larger than this terminal: a part is shown` : '';
    if (this.#greeted && cut === '') return;
    this.#greeted = true;
    viewer?.notice(` ${this.#wish.key.name} detaches${this.#wish.take ? '' : ' · read-only, --take types'}${cut} `);
  }

  #keyboard(you: boolean, holder: string | undefined): void {
    const lost = this.#typing && !you;
    this.#typing = you;
    this.#viewer?.typing(you);
    if (lost && holder !== undefined) this.#viewer?.notice(` ${safe(holder)} has taken the keyboard `);
    if (you) this.#resize();
  }

  #resize(): void {
    const { columns, rows } = process.stdout;
    this.#viewer?.redraw();
    if (this.#greeted) this.#greet(true);
    const size = this.#viewer?.size;
    if (this.#typing && (size?.cols !== columns || size.rows !== rows))
      this.#stream?.send({ frame: 'resize', cols: columns, rows });
  }

  #keys(bytes: Buffer): void {
    const leave = bytes.indexOf(this.#wish.key.byte);
    const keys = this.#decoder.write(leave === -1 ? bytes : bytes.subarray(0, leave));
    if (keys !== '' && this.#typing) {
      for (let at = 0; at < keys.length; at += INPUT_CHUNK)
        this.#stream?.send({ frame: 'input', data: keys.slice(at, at + INPUT_CHUNK) });
    } else if (keys !== '' && leave === -1) {
      this.#viewer?.notice(` read-only: attach with --take to type · ${this.#wish.key.name} detaches `);
    }
    if (leave !== -1) this.#finish('Detached; the session goes on.');
  }
}

function endWords(frame: Extract<TerminalFrame, { readonly frame: 'ended' }>): string {
  if (frame.reason !== undefined) return frame.reason;
  if (frame.signal !== undefined) return `The session ended (${frame.signal}).`;
  return `The session ended${frame.exitCode === undefined ? '' : ` with code ${frame.exitCode}`}.`;
}
