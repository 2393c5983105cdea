/** intercom inbox: what was written to the operators; for an agent, what waits for its session. */
import type { Command } from 'commander';
import type { z } from 'zod';
import { IntercomError } from '../../protocol/errors.ts';
import type { InboxItem } from '../../protocol/local-api.ts';
import type { Message } from '../../protocol/model.ts';
import type { MessagesPage } from '../../protocol/operator-api.ts';
import { asAgent, asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import type { Context } from '../io.ts';
import { wholeNumber } from '../options.ts';
import { printJson } from '../print/json.ts';
import { safe, safeLines, styleFor } from '../print/style.ts';
import { relative } from '../print/time.ts';
import { indent } from '../print/words.ts';

interface InboxOptions {
  readonly limit: number;
  readonly before?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  program
    .command('inbox')
    .description('Messages to you, the newest last. Run by an agent: takes what waits for its session.')
    .option('--limit <number>', 'how many', wholeNumber(1, 100), 20)
    .option('--before <id>', 'older than this message')
    .option('--json', 'the list as JSON')
    .action((options: InboxOptions) => inbox(context(), options));
}

async function inbox(context: Context, options: InboxOptions): Promise<void> {
  const { io } = context;
  const agent = asAgent(context);
  if (agent !== undefined) {
    const taken = await agent.daemon.takeInbox(io.signal);
    if (options.json === true) printJson(io, taken);
    else
      io.out(
        taken.messages.length === 0 ? 'No mail.\n' : taken.messages.map((item) => entry(context, item)).join('\n'),
      );
    if (taken.more > 0 && options.json !== true) io.out(`\n${taken.more} more; run it again.\n`);
    // Only now: what was not printed must be offered again.
    if (taken.offer !== undefined) await agent.daemon.acknowledge(taken.offer);
    return;
  }
  await asOperator(context, async (hub) => {
    const page = await hub.inbox(options.limit, options.before);
    if (options.json === true) {
      // For programs: nobody has read it yet.
      printJson(io, page);
      return;
    }
    printPage(context, page);
    await sayShown(hub, page.messages);
  });
}

function printPage(context: Context, page: z.infer<typeof MessagesPage>): void {
  const { io } = context;
  const messages = [...page.messages].sort((a, b) => (a.id < b.id ? -1 : 1));
  const [oldest] = messages;
  if (oldest === undefined) {
    io.out('Nobody has written to you yet.\n');
    return;
  }
  if (page.more) io.out(styleFor(io.colour).dim(`Older ones: intercom inbox --before ${oldest.id}\n\n`));
  io.out(messages.map((message) => entry(context, message)).join('\n'));
}

/** What a person was shown is delivered. Only an operator may say so; a viewer merely looks. */
async function sayShown(hub: OperatorClient, messages: readonly Message[]): Promise<void> {
  const waiting = messages.filter((message) => message.state === 'queued');
  try {
    await Promise.all(waiting.map((message) => hub.shown(message.id)));
  } catch (error) {
    if (!(error instanceof IntercomError && error.code === 'forbidden')) throw error;
  }
}

function entry({ io }: Context, item: InboxItem | Message): string {
  const style = styleFor(io.colour);
  const time = 'sentAt' in item ? item.sentAt : item.createdAt;
  const head = `${style.bold(safe(item.from))} ${style.dim(`${item.kind} · ${relative(time, io.now())}`)}`;
  const cutNote = 'cut' in item && item.cut ? style.dim('\n  (cut; the whole text: intercom_history)') : '';
  const answer =
    item.kind === 'ask' || item.kind === 'chat' || item.kind === 'reply'
      ? `\n  ${style.dim(`answer: intercom chat --thread ${item.threadId} "…"`)}`
      : '';
  return `${head}\n${indent(safeLines(item.body))}${cutNote}${answer}\n`;
}
