/** intercom trace: the whole way of a message. */
import type { Command } from 'commander';
import type { Trace, TraceStep } from '../../protocol/model.ts';
import { asAgent, asOperator } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { printJson } from '../print/json.ts';
import { cut, safe, styleFor } from '../print/style.ts';
import { clockTime, relative } from '../print/time.ts';
import { paintState, stateWords } from '../print/words.ts';

export function define(program: Command, context: () => Context): void {
  program
    .command('trace')
    .description('Where a message is, since when, what proves it, which rule let it pass, and what it waits for.')
    .argument('<id>', 'the message (msg_…)')
    .option('--json', 'as JSON')
    .action(async (id: string, options: { json?: true }) => {
      const given = context();
      const agent = asAgent(given);
      const trace =
        agent === undefined ? await asOperator(given, (hub) => hub.trace(id)) : await agent.daemon.trace(id);
      if (options.json === true) printJson(given.io, trace);
      else print(given, trace);
    });
}

function print({ io }: Context, { message, steps, waitsFor, recipientAway }: Trace): void {
  const style = styleFor(io.colour);
  io.out(
    `${style.bold(`${safe(message.from)} → ${safe(message.to)}`)}  ${style.dim(`${message.kind} · thread ${message.threadId}`)}\n`,
  );
  io.out(`${style.dim(`“${cut(safe(message.body), io.columns - 4)}”`)}\n\n`);
  steps.forEach((step, index) => {
    const last = index === steps.length - 1;
    const mark = paintState(step.state, style)(last ? '●' : '○');
    io.out(
      `${mark} ${style.dim(clockTime(step.at, io.now()))}  ${paintState(step.state, style)(stateWords(step.state))} ${style.dim(`at ${safe(step.place)}`)}\n`,
    );
    for (const line of notes(step)) io.out(`${style.dim('│')}           ${style.dim(line)}\n`);
  });
  const away = recipientAway ? ` ${style.yellow('The machine of the recipient is away.')}` : '';
  io.out(`\n${safe(waitsFor)}${away}\n`);
  io.out(
    style.dim(`sent ${relative(message.createdAt, io.now())}, expires ${relative(message.expiresAt, io.now())}\n`),
  );
}

function notes(step: TraceStep): string[] {
  return [
    ...(step.by === undefined ? [] : [`by ${safe(step.by)}`]),
    ...(step.rule === undefined ? [] : [`rule: ${safe(step.rule)}`]),
    ...(step.proof === undefined ? [] : [`proof: ${safe(step.proof)}`]),
    ...(step.reason === undefined ? [] : [safe(step.reason)]),
  ];
}
