/** intercom machines list|approve|deny|revoke|rotate|rename|remove */
import type { Command } from 'commander';
import { IntercomError } from '../../protocol/errors.ts';
import type { Approval, Machine } from '../../protocol/model.ts';
import { asOperator } from '../clients/connect.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../io.ts';
import { card } from '../print/card.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import { table } from '../print/table.ts';
import { relative } from '../print/time.ts';
import { machineMark, paintState } from '../print/words.ts';

interface Options {
  readonly yes?: true;
  readonly reason?: string;
  readonly json?: true;
}

export function define(program: Command, context: () => Context): void {
  const machines = program.command('machines').description('The machines of the mesh, and those that want to join.');
  machines
    .command('list', { isDefault: true })
    .description('Every machine, and join requests that wait.')
    .option('--json', 'the list as JSON')
    .action((options: Options) => list(context(), options));
  machines
    .command('approve')
    .description('Let a machine join. Give the code that it shows; with its id you are asked to compare the codes.')
    .argument('<code-or-id>', 'the code of the request, its machine id, or the id of the approval')
    .option('-y, --yes', 'the codes were compared; do not ask')
    .option('--json', 'the result as JSON')
    .action((which: string, options: Options) => answer(context(), which, 'allow', options));
  machines
    .command('deny')
    .description('Refuse a machine that wants to join.')
    .argument('<code-or-id>', 'the code of the request, its machine id, or the id of the approval')
    .option('--reason <text>', 'what is said at the other machine')
    .option('--json', 'the result as JSON')
    .action((which: string, options: Options) => answer(context(), which, 'deny', options));
  change(machines, 'revoke', 'Take a machine out of the mesh; its secret is worthless at once.', context, (hub, id) =>
    hub.revokeMachine(id),
  );
  change(machines, 'rotate', 'Give a machine a new secret.', context, (hub, id) => hub.rotateMachine(id), false);
  machines
    .command('rename')
    .description('Change the name that people see; the id stays.')
    .argument('<id>', 'the machine')
    .argument('<name...>', 'its new name')
    .option('--json', 'the result as JSON')
    .action(async (id: string, name: string[], options: Options) => {
      const given = context();
      done(
        given,
        await asOperator(given, (hub) => hub.patchMachine(id, { displayName: name.join(' ') })),
        'renamed',
        options,
      );
    });
  machines
    .command('remove')
    .description('Forget a machine and its projects. It would have to join again.')
    .argument('<id>', 'the machine')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'the result as JSON')
    .action(async (id: string, options: Options) => {
      const given = context();
      await asOperator(given, async (hub) => {
        await confirm(given.io, `Remove ${safe(id)} from the mesh?`, options.yes === true);
        await hub.removeMachine(id);
      });
      if (options.json === true) printJson(given.io, { ok: true });
      else given.io.out(`${styleFor(given.io.colour).green('✓')} ${safe(id)} removed.\n`);
    });
}

function change(
  parent: Command,
  name: 'revoke' | 'rotate',
  description: string,
  context: () => Context,
  work: (hub: OperatorClient, id: string) => Promise<Machine>,
  ask = true,
): void {
  const command = parent.command(name).description(description).argument('<id>', 'the machine');
  if (ask) command.option('-y, --yes', 'do not ask');
  command.option('--json', 'the result as JSON').action(async (id: string, options: Options) => {
    const given = context();
    const machine = await asOperator(given, async (hub) => {
      if (ask) await confirm(given.io, `${name === 'revoke' ? 'Revoke' : 'Rotate'} ${safe(id)}?`, options.yes === true);
      return work(hub, id);
    });
    done(given, machine, name === 'revoke' ? 'revoked' : 'has a new secret', options);
  });
}

async function list(context: Context, options: Options): Promise<void> {
  const { io } = context;
  const { machines, joins } = await asOperator(context, async (hub) => ({
    ...(await hub.machines()),
    joins: await hub.pendingJoins(),
  }));
  if (options.json === true) {
    printJson(io, { machines, joins });
    return;
  }
  const style = styleFor(io.colour);
  if (machines.length === 0) io.out('No machine has joined yet. On the other machine: intercom join\n');
  else io.out(machineTable(context, machines));
  for (const { id, unreachable } of machines)
    if (unreachable !== undefined)
      io.out(`\n${style.yellow('!')} ${safe(id)} is unreachable from the hub: ${safe(unreachable)}\n`);
  for (const join of joins)
    io.out(
      `\n${card(join, io.now(), style)}${style.dim(`  intercom machines approve ${join.subject.kind === 'join' ? join.subject.code : join.id}\n`)}`,
    );
}

function machineTable({ io }: Context, machines: readonly Machine[]): string {
  const style = styleFor(io.colour);
  const columns = [
    { title: 'MACHINE', flexible: true, paint: style.bold },
    { title: 'NAME', flexible: true },
    { title: 'STATUS', paint: (text: string) => paintState(text.trim(), style)(text) },
    { title: 'HEARD', flexible: true },
    { title: 'PROJECTS', right: true },
    { title: 'SESSIONS', right: true },
    { title: 'VERSION', flexible: true, paint: style.dim },
  ];
  const rows = machines.map((machine) => [
    machine.id,
    machine.displayName === machine.id ? '' : machine.displayName,
    machine.unreachable === undefined ? machine.status : 'unreachable',
    machine.lastSeen === undefined ? 'never' : relative(machine.lastSeen, io.now()),
    String(machine.projects),
    String(machine.sessions),
    machine.version,
  ]);
  return table(columns, rows, io.columns, style);
}

async function answer(context: Context, which: string, verdict: 'allow' | 'deny', options: Options): Promise<void> {
  const { io } = context;
  const decided = await asOperator(context, async (hub) => {
    const { approval, byCode } = await findJoin(hub, which);
    if (verdict === 'allow' && !byCode && approval.subject.kind === 'join') {
      io.err(`${card(approval, io.now(), styleFor(io.colour))}\n`);
      await confirm(io, `Does the other machine show ${approval.subject.code}?`, options.yes === true);
    }
    const reason = options.reason === undefined ? {} : { reason: options.reason };
    return hub.decide(approval.id, { verdict, scope: 'once', shownHash: approval.shownHash, ...reason });
  });
  if (options.json === true) printJson(io, decided);
  else io.out(card(decided, io.now(), styleFor(io.colour)));
}

/** The one pending join that is meant; a code compares both sides by itself. */
async function findJoin(hub: OperatorClient, which: string): Promise<{ approval: Approval; byCode: boolean }> {
  const joins = await hub.pendingJoins();
  const code = which.replace(/^([0-9]{3})[- ]?([0-9]{3})$/, '$1-$2');
  const byCode = joins.filter((approval) => approval.subject.kind === 'join' && approval.subject.code === code);
  const found =
    byCode.length > 0
      ? byCode
      : joins.filter(
          (approval) =>
            approval.subject.kind === 'join' &&
            (approval.subject.machineId === which || (which.length >= 8 && approval.id.startsWith(which))),
        );
  const [approval, second] = found;
  if (approval === undefined) {
    throw new IntercomError(
      'unknown_join',
      `No join request that waits has the code or id "${safe(which.slice(0, 80))}".`,
      {
        next: '`intercom machines list` shows those that wait; a request ends after 15 minutes.',
      },
    );
  }
  if (second !== undefined) {
    throw new IntercomError('ambiguous', `Several join requests fit "${safe(which.slice(0, 80))}".`, {
      next: 'Give the code that the other machine shows.',
    });
  }
  return { approval, byCode: byCode.length > 0 };
}

function done({ io }: Context, machine: Machine, what: string, options: Options): void {
  const style = styleFor(io.colour);
  if (options.json === true) printJson(io, machine);
  else
    io.out(
      `${machineMark(machine.status, style)} ${style.bold(safe(machine.id))} ${safe(machine.displayName)}: ${what}.\n`,
    );
}
