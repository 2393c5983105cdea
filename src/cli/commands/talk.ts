/** intercom send · ask · chat: a person writes as operator, an agent as itself through the daemon of its machine. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { IntercomError } from '../../protocol/errors.ts';
import { LONG_POLL_MAX_SECONDS, MESSAGE_BODY_MAX } from '../../protocol/limits.ts';
import type { MessageStatus } from '../../protocol/machine-api.ts';
import { hasFailed } from '../../protocol/message-life.ts';
import { asAgent, asOperator } from '../clients/connect.ts';
import { wholeNumber } from '../options.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { safe, safeLines, styleFor } from '../print/style.ts';
import { paintState, stateWords } from '../print/words.ts';

type Kind = 'send' | 'ask' | 'chat' | 'reply';

interface TalkOptions {
  readonly thread?: string;
  readonly replyTo?: string;
  readonly priority?: 'low' | 'normal' | 'high';
  readonly key?: string;
  readonly timeout?: number;
  readonly json?: true;
}

interface Draft {
  readonly to?: string;
  readonly kind: Kind;
  readonly body: string;
  readonly threadId?: string;
  readonly inReplyTo?: string;
  readonly priority: 'low' | 'normal' | 'high';
  readonly idempotencyKey?: string;
}

/** What is the same for a person (through the hub) and an agent (through its daemon). */
interface Channel {
  readonly submit: (draft: Draft) => Promise<MessageStatus>;
  /** The next state, or this one after `seconds`. */
  readonly wait: (id: string, seconds: number) => Promise<MessageStatus & { offer?: string | undefined }>;
  /** The answer was printed. */
  readonly printed: (offer: string) => Promise<void>;
}

export function define(program: Command, context: () => Context): void {
  const talk = (name: Kind, description: string, target: string): Command =>
    program
      .command(name)
      .description(description)
      .argument(target, 'machine/project, machine/project#session, human or human:name')
      .argument('[text...]', 'the message; without it, standard input is read')
      .option('--thread <id>', 'goes into this thread')
      .option('--reply-to <id>', 'the message that this one answers')
      .addOption(new Option('--priority <level>', 'low, normal or high').choices(['low', 'normal', 'high']))
      .option('--key <text>', 'idempotency key: the same key again sends nothing and returns the first result')
      .option('--json', 'the result as JSON');

  talk('send', 'Send a message, for information.', '<to>').action((to: string, text: string[], options: TalkOptions) =>
    send(context(), 'send', to, text, options),
  );
  talk('ask', 'Ask and wait for the answer; it is printed on standard output.', '<to>')
    .option('--timeout <seconds>', 'how long to wait; the question itself stays', wholeNumber(1, 7 * 86_400), 600)
    .action((to: string, text: string[], options: TalkOptions) => ask(context(), to, text, options));
  program
    .command('chat')
    .description('Open a conversation with an agent, or go on with one (--thread).')
    .argument('[to-and-text...]', 'whom to, then the text; with --thread only the text')
    .option('--thread <id>', 'go on with this conversation')
    .addOption(new Option('--priority <level>', 'low, normal or high').choices(['low', 'normal', 'high']))
    .option('--key <text>', 'idempotency key')
    .option('--json', 'the result as JSON')
    .action((words: string[], options: TalkOptions) => {
      if (options.thread !== undefined) return send(context(), 'reply', undefined, words, options);
      const [to, ...text] = words;
      if (to === undefined) throw missingTarget();
      return send(context(), 'chat', to, text, options);
    });
}

async function send(
  context: Context,
  kind: Kind,
  to: string | undefined,
  words: readonly string[],
  options: TalkOptions,
): Promise<void> {
  const body = await bodyOf(context, words);
  await withChannel(context, async (channel) => {
    const status = await channel.submit(draft(kind, to, body, options));
    if (options.json === true) printJson(context.io, status);
    else sayStatus(context, status);
    refuseFailed(status);
  });
}

async function ask(context: Context, to: string, words: readonly string[], options: TalkOptions): Promise<void> {
  const { io } = context;
  const body = await bodyOf(context, words);
  const deadline = io.now() + (options.timeout ?? 600) * 1000;
  await withChannel(context, async (channel) => {
    let status: MessageStatus & { offer?: string | undefined } = await channel.submit(draft('ask', to, body, options));
    let told = '';
    while (status.answer === undefined && !hasFailed(status.state)) {
      const line = progressLine(status);
      if (line !== told) io.err(styleFor(io.colour).dim(`… ${line}\n`));
      told = line;
      const seconds = Math.min(LONG_POLL_MAX_SECONDS, Math.ceil((deadline - io.now()) / 1000));
      if (seconds <= 0 || io.signal.aborted) throw gaveUp(status);
      status = await channel.wait(status.id, seconds);
    }
    if (options.json === true) printJson(io, status);
    else if (status.answer !== undefined) io.out(`${safeLines(status.answer.body)}\n`);
    if (status.offer !== undefined) await channel.printed(status.offer);
    refuseFailed(status);
  });
}

function draft(kind: Kind, to: string | undefined, body: string, options: TalkOptions): Draft {
  return {
    kind,
    body,
    priority: options.priority ?? 'normal',
    ...(to === undefined ? {} : { to }),
    ...(options.thread === undefined ? {} : { threadId: options.thread }),
    ...(options.replyTo === undefined ? {} : { inReplyTo: options.replyTo }),
    ...(options.key === undefined ? {} : { idempotencyKey: options.key }),
  };
}

async function withChannel(context: Context, work: (channel: Channel) => Promise<void>): Promise<void> {
  const agent = asAgent(context);
  const { signal } = context.io;
  if (agent !== undefined) {
    const { daemon } = agent;
    await work({
      submit: (message) => daemon.submit(message, signal),
      wait: (id, seconds) => daemon.message(id, { seconds, for: 'answer', signal }),
      printed: (offer) => daemon.acknowledge(offer),
    });
    return;
  }
  await asOperator(context, (hub) =>
    work({
      submit: (message) => hub.submit(message),
      wait: (id, seconds) => hub.message(id, seconds, signal),
      printed: () => Promise.resolve(),
    }),
  );
}

async function bodyOf({ io }: Context, words: readonly string[]): Promise<string> {
  const typed = words.join(' ');
  if (typed.trim() !== '' && typed !== '-') return typed;
  if (typed !== '-' && io.interactive) {
    throw new IntercomError('invalid_request', 'There is no text to send.', {
      next: 'Write it behind the address, or pipe it in.',
    });
  }
  const text = await io.readInput(MESSAGE_BODY_MAX);
  return text.replace(/\n+$/, '');
}

function sayStatus({ io }: Context, status: MessageStatus): void {
  const style = styleFor(io.colour);
  const paint = paintState(status.state, style);
  io.out(`${paint(hasFailed(status.state) ? '✗' : '✓')} ${paint(stateWords(status.state))}  ${style.dim(status.id)}\n`);
  if (status.reason !== undefined) io.out(`  ${safe(status.reason)}\n`);
  io.out(style.dim(`  to ${safe(status.to)} · thread ${status.threadId}\n  intercom trace ${status.id}\n`));
}

function progressLine(status: MessageStatus): string {
  const reason = status.reason === undefined ? '' : ` (${safe(status.reason)})`;
  return `${stateWords(status.state)}${reason}`;
}

/** A message that ended without arriving is an error for whoever scripts this. */
function refuseFailed(status: MessageStatus): void {
  if (!hasFailed(status.state)) return;
  const reason = status.reason === undefined ? '' : `: ${status.reason}`;
  const code =
    status.state === 'denied' ? (status.decidedBy === undefined ? 'denied_by_policy' : 'denied') : status.state;
  if (
    code !== 'denied' &&
    code !== 'denied_by_policy' &&
    code !== 'expired' &&
    code !== 'cancelled' &&
    code !== 'failed'
  )
    return;
  throw new IntercomError(code, `The message was not delivered; it is ${stateWords(status.state)}${reason}`, {
    next: `\`intercom trace ${status.id}\` tells its whole way.`,
    details: { id: status.id },
  });
}

function gaveUp(status: MessageStatus): IntercomError {
  return new IntercomError('timeout', `No answer yet; the question ${stateWords(status.state)}.`, {
    next: `It stays there. \`intercom trace ${status.id}\` shows how it is, \`intercom inbox\` has the answer when it comes.`,
    details: { id: status.id, threadId: status.threadId },
  });
}

function missingTarget(): IntercomError {
  return new IntercomError('invalid_request', 'Whom to is missing.', {
    next: 'Write `intercom chat machine/project "text"`; `intercom agents` lists the addresses.',
  });
}
