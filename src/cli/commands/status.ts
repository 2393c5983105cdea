/** intercom status: the mesh in one screen, from the hub (for the person) and from the daemon of this machine. */
import type { Command } from 'commander';
import { IntercomError } from '../../protocol/errors.ts';
import type { LocalStatus } from '../../protocol/local-api.ts';
import type { HubStatus, Snapshot } from '../../protocol/operator-api.ts';
import { Board } from '../attention/board.ts';
import { GROUPS } from '../attention/rows.ts';
import { findAgent } from '../agent-environment.ts';
import { asOperator, localDaemon } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { countWords } from '../print/attention.ts';
import { printJson } from '../print/json.ts';
import { safe, styleFor } from '../print/style.ts';
import type { Style } from '../print/style.ts';
import { bytes, relative, span } from '../print/time.ts';
import { machineWords } from '../print/usage.ts';
import { paintState, plural, sessionWords } from '../print/words.ts';

export function define(program: Command, context: () => Context): void {
  program
    .command('status')
    .description('How the hub and the daemon of this machine are, and what waits for you.')
    .option('--json', 'as JSON')
    .action((options: { json?: true }) => status(context(), options.json === true));
}

async function status(context: Context, json: boolean): Promise<void> {
  const { io } = context;
  const isAgent = findAgent(io.env, io.ppid) !== undefined;
  const [hub, daemon] = await Promise.allSettled([
    isAgent
      ? Promise.reject(new IntercomError('forbidden', 'The hub is asked by the person only.'))
      : asOperator(context, async (one) => ({ status: await one.status(), snapshot: await quietly(one.snapshot()) })),
    localDaemon(context).status(),
  ]);
  if (hub.status === 'rejected' && daemon.status === 'rejected') throw isAgent ? daemon.reason : hub.reason;
  if (json) {
    printJson(io, {
      hub: hub.status === 'fulfilled' ? hub.value.status : undefined,
      ...(hub.status === 'fulfilled' ? attentionOf(hub.value.snapshot) : {}),
      daemon: daemon.status === 'fulfilled' ? daemon.value : undefined,
    });
    return;
  }
  const style = styleFor(io.colour);
  const blocks = [
    hub.status === 'fulfilled'
      ? hubBlock(hub.value.status, hub.value.snapshot, io.now(), style)
      : notThere('hub', hub.reason, style, isAgent),
    daemon.status === 'fulfilled'
      ? daemonBlock(daemon.value, io.now(), style)
      : notThere('daemon', daemon.reason, style, false),
  ];
  io.out(`${blocks.filter((block) => block !== '').join('\n\n')}\n`);
}

function notThere(name: string, reason: unknown, style: Style, hide: boolean): string {
  if (hide) return '';
  const text = reason instanceof IntercomError ? reason.message : 'It cannot be asked.';
  return `${style.dim('○')} ${style.bold(name.padEnd(7))} ${style.dim(safe(text))}`;
}

function line(name: string, text: string, style: Style): string {
  return `  ${style.dim(name.padEnd(10))} ${text}`;
}

/** What a hub that is older than this command does not have is left out. */
function quietly<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch(() => undefined);
}

function attentionOf(snapshot: Snapshot | undefined): { readonly attention?: Readonly<Record<string, number>> } {
  if (snapshot === undefined) return {};
  const rows = new Board(snapshot).rows();
  return {
    attention: Object.fromEntries(GROUPS.map((group) => [group, rows.filter((row) => row.group === group).length])),
  };
}

/** Who waits, is silent or works; and what was used. */
function attentionLines(snapshot: Snapshot | undefined, now: number, style: Style): string[] {
  if (snapshot === undefined) return [];
  const rows = new Board(snapshot).rows();
  const calls = rows.some(({ group }) => group === 'waiting' || group === 'stalled');
  const hint = calls ? `   ${style.cyan('intercom attention --watch')}` : '';
  const usage = snapshot.usage.machines.filter(({ block, week, scanning }) => block ?? week ?? scanning);
  return [
    ...(rows.length === 0 ? [] : [line('sessions', `${countWords(rows, style)}${hint}`, style)]),
    ...usage.map((one, index) =>
      line(index === 0 ? 'used' : '', `${safe(one.machine)} ${safe(one.agent)}: ${machineWords(one, now)}`, style),
    ),
  ];
}

function hubBlock(hub: HubStatus, snapshot: Snapshot | undefined, now: number, style: Style): string {
  const up = span(Math.max(0, (now - Date.parse(hub.startedAt)) / 1000));
  const away = hub.machines.away === 0 ? '' : `, ${style.yellow(`${hub.machines.away} away`)}`;
  const waits = hub.approvalsPending;
  const { held, queued, total } = hub.messages;
  const lines = [
    `${style.green('●')} ${style.bold('hub'.padEnd(7))} ${hub.version} ${style.dim(`${hub.mode}, up ${up}`)}`,
    ...(waits > 0
      ? [
          line(
            'waits',
            `${style.yellow(plural(waits, 'approval'))} for you   ${style.cyan('intercom approvals')}`,
            style,
          ),
        ]
      : []),
    line('machines', `${hub.machines.online} online${away} · ${plural(hub.sessions, 'session')}`, style),
    ...attentionLines(snapshot, now, style),
    line('messages', `${total} in all · ${held} held · ${queued} on their way`, style),
    line('Telegram', telegramWords(hub, style), style),
    line(
      'store',
      `${bytes(hub.store.bytes)}${hub.store.state === 'ok' ? '' : ` ${style.red(safe(hub.store.problem ?? 'degraded'))}`}`,
      style,
    ),
    ...hub.urls.map((url, index) => line(index === 0 ? 'web page' : '', safe(url), style)),
  ];
  for (const notice of hub.notices.filter((one) => one.clearedAt === undefined)) {
    const paint = notice.level === 'error' ? style.red : notice.level === 'warning' ? style.yellow : style.blue;
    lines.push(
      `  ${paint('!')} ${safe(notice.text)}${notice.next === undefined ? '' : `\n    ${style.dim(safe(notice.next))}`}`,
    );
  }
  return lines.join('\n');
}

function telegramWords({ telegram }: HubStatus, style: Style): string {
  const waiting = telegram.outbox === 0 ? '' : ` · ${telegram.outbox} to send`;
  const problem = telegram.problem === undefined ? '' : `: ${safe(telegram.problem)}`;
  switch (telegram.state) {
    case 'off':
      return style.dim('off (optional)');
    case 'online':
      return `${style.green('online')}${telegram.bot === undefined ? '' : ` as @${safe(telegram.bot).replace(/^@/, '')}`}${waiting}`;
    case 'refused':
      return `${style.red('refused')}${problem}${waiting}`;
    case 'starting':
    case 'degraded':
      return `${style.yellow(telegram.state)}${problem}${waiting}`;
  }
}

function hookLines({ hooks }: LocalStatus, style: Style): string[] {
  if (hooks === undefined || hooks.tooLarge + hooks.failed === 0) return [];
  const parts = [
    ...(hooks.tooLarge === 0 ? [] : [`${hooks.tooLarge} too large to be read`]),
    ...(hooks.failed === 0 ? [] : [`${hooks.failed} failed`]),
  ];
  return [line('hook calls', `${style.yellow(parts.join(', '))}   ${style.cyan('intercom doctor')}`, style)];
}

function daemonBlock(daemon: LocalStatus, now: number, style: Style): string {
  const { hub } = daemon;
  const online = hub.state === 'online';
  const link = online
    ? `${style.green('online')} ${style.dim(`since ${relative(hub.since, now)}`)}`
    : `${style.yellow(hub.state.replaceAll('_', ' '))}${hub.problem === undefined ? '' : `: ${safe(hub.problem)}`}`;
  const lines = [
    `${online ? style.green('●') : style.yellow('○')} ${style.bold('daemon'.padEnd(7))} ${daemon.version} ${style.dim(`machine ${safe(daemon.machineId)}`)}`,
    line('its hub', `${link} ${style.dim(safe(hub.url))}`, style),
    line('mail', `${daemon.outbox} to send · ${daemon.inbox} to deliver`, style),
    ...(daemon.storeProblem === undefined ? [] : [line('store', style.red(safe(daemon.storeProblem)), style)]),
    line('projects', `${daemon.projects}`, style),
    ...hookLines(daemon, style),
  ];
  daemon.sessions.forEach((session, index) => {
    const words = paintState(session.state, style)(sessionWords(session));
    const who = `${safe(session.project)}#${session.id.slice(0, 8)}`;
    lines.push(
      line(index === 0 ? 'sessions' : '', `${who}  ${words} ${style.dim(relative(session.stateSince, now))}`, style),
    );
  });
  if (daemon.sessions.length === 0) lines.push(line('sessions', style.dim('none'), style));
  return lines.join('\n');
}
