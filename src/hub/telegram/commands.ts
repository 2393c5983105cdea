/** The commands of the bot: what they are called and what they answer (HTML). Every number is of now. */
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Agent, Machine } from '../../protocol/model.ts';
import type { Actor, HubServices } from '../services.ts';
import { attentionAnswer, usageLines, type CommandAnswer } from './attention-commands.ts';
import { approvalKey } from './feed.ts';
import { escapeHtml, oneLine } from './html.ts';
import { linkOf } from './mission-desk.ts';
import { pendingApprovals } from './pending.ts';
import type { TelegramStore } from './ports.ts';
import { preferenceCommand } from './preference-commands.ts';
import { agoWords, subjectWords } from './words.ts';

export const COMMANDS = [
  { command: 'attention', description: 'What waits for you now, and since when' },
  { command: 'approvals', description: 'What waits for your decision' },
  { command: 'missions', description: 'What agents were given to do, and how it goes' },
  { command: 'start_agent', description: 'Start an agent: machine/project "what it should do"' },
  { command: 'stop', description: 'Stop a mission: in its topic, as a reply to its card, or with its id' },
  { command: 'pause', description: 'Let a mission rest; its conversation is kept' },
  { command: 'resume', description: 'Go on with a mission, and what to say to it' },
  { command: 'agents', description: 'Agents and their sessions' },
  { command: 'machines', description: 'Machines and whether they are there' },
  { command: 'usage', description: 'What the agents used: five hours, week, context' },
  { command: 'mute', description: 'No sound for you: for a time, or for some agents' },
  { command: 'unmute', description: 'Sound again' },
  { command: 'quiet', description: 'Your quiet hours: 22:00-07:00 Europe/Paris' },
  { command: 'status', description: 'How the mesh is doing' },
  { command: 'login', description: 'A one-time link to the web page (only in our private chat)' },
  { command: 'help', description: 'How to use this chat' },
] as const;

const LIST_MAX = 60;

export interface CommandContext {
  readonly services: HubServices;
  readonly store: TelegramStore;
  readonly actor: Actor;
  readonly now: number;
  /** Where it was asked. */
  readonly chatId: number;
  /** Only this person reads the answer. */
  readonly isPrivate: boolean;
}

/** The answer to a command; undefined if there is no such command. */
export async function answerCommand(
  name: string,
  args: string,
  context: CommandContext,
): Promise<CommandAnswer | undefined> {
  if (name === 'attention') return attentionAnswer(context);
  const lines = await linesFor(name, args, context);
  return lines === undefined ? undefined : { lines };
}

async function linesFor(name: string, args: string, context: CommandContext): Promise<string[] | undefined> {
  switch (name) {
    case 'mute':
    case 'unmute':
    case 'quiet':
      return preferenceCommand(name, args, { ...context, attention: context.services.attention });
    case 'start':
      return [`👋 Hello ${escapeHtml(context.actor.operator.name)}. This is intercom.`, '', ...HELP];
    case 'help':
      return HELP;
    case 'agents':
      return agentLines(await context.services.registry.agents('all'));
    case 'machines':
      return machineLines(await context.services.registry.machines(), context.now);
    case 'usage':
      return usageLines(context);
    case 'approvals':
      return approvalLines(context);
    case 'status':
      return statusLines(context);
    case 'login':
      return signInLines(context);
    default:
      return undefined;
  }
}

/** Whoever holds the link is signed in as the operator, so it goes to nobody else. */
async function signInLines({ services, actor, isPrivate }: CommandContext): Promise<string[]> {
  if (!isPrivate) return ['A sign-in link is only for you: send me /login in our private chat.'];
  const link = await services.operators.signInLink(actor);
  return ['Opens the web page signed in as you. It works once, within ten minutes:', escapeHtml(link.url)];
}

const HELP = [
  'Your agents talk to each other here. When one needs your yes, a card with buttons comes.',
  '',
  '• <b>Decide</b>: press a button on the card. To say why not, reply to the card with <code>/deny reason</code>.',
  '• <b>Answer a question</b>: press an option, or reply to the card with your own words.',
  "• <b>Write to an agent</b>: write in its conversation's topic, or reply to one of its messages.",
  '• <b>Speak into a mission</b>: write in its topic while it is at work; /resume and a text goes on with one that is over.',
  '• A 👀 on your message means it was taken, 👌 that the agent has it.',
  '',
  ...COMMANDS.filter((entry) => entry.command !== 'help').map((entry) => `/${entry.command}: ${entry.description}`),
];

function agentLines(agents: readonly Agent[]): string[] {
  if (agents.length === 0) {
    return ['No agents yet. Join a machine with <code>intercom join</code>; its projects appear here.'];
  }
  const lines = agents.slice(0, LIST_MAX).map((agent) => {
    const live = agent.sessions.filter((session) => session.state !== 'ended');
    const states = live.map((session) =>
      session.waiting === undefined ? session.state : `waits: ${session.waiting.what}`,
    );
    const mark = agent.machineStatus !== 'online' ? '⚪️' : live.length > 0 ? '🟢' : '🔵';
    const what =
      agent.machineStatus !== 'online' ? 'machine away' : states.length > 0 ? states.join(', ') : 'no session';
    return `${mark} <code>${escapeHtml(agent.address)}</code> ${escapeHtml(oneLine(what, 100))}`;
  });
  return [`<b>${counted(agents.length, 'agent')}</b>`, ...lines, ...more(agents.length)];
}

function machineLines(machines: readonly Machine[], now: number): string[] {
  if (machines.length === 0) return ['No machines yet. Run <code>intercom join</code> on one.'];
  const lines = machines.slice(0, LIST_MAX).map((machine) => {
    const seen =
      machine.lastSeen === undefined ? 'never heard from' : `last heard ${agoWords(machine.lastSeen, now)} ago`;
    const state =
      machine.status === 'online'
        ? `${machine.unreachable === undefined ? '' : 'unreachable from the hub, '}${counted(machine.sessions, 'session')}, ${counted(machine.projects, 'project')}`
        : `${machine.status}, ${seen}`;
    const mark =
      machine.unreachable !== undefined
        ? '🟠'
        : machine.status === 'online'
          ? '🟢'
          : machine.status === 'away'
            ? '⚪️'
            : '🚫';
    const name = machine.displayName === machine.id ? '' : ` (${escapeHtml(oneLine(machine.displayName, 60))})`;
    return `${mark} <b>${escapeHtml(machine.id)}</b>${name}: ${state}`;
  });
  return [`<b>${counted(machines.length, 'machine')}</b>`, ...lines, ...more(machines.length)];
}

async function approvalLines(context: CommandContext): Promise<string[]> {
  const lines: string[] = [];
  let count = 0;
  for await (const approval of pendingApprovals(context.services.approvals)) {
    count += 1;
    if (count > 30) continue;
    const link = linkOf(await context.store.item(approvalKey(approval.id)));
    const words = `${escapeHtml(subjectWords(approval))}, ${agoWords(approval.createdAt, context.now)}`;
    lines.push(link === undefined ? `• ${words}` : `• <a href="${link}">${words}</a>`);
  }
  if (count === 0) return ['✅ Nothing waits for you.'];
  const rest = count - lines.length;
  return [
    `🔔 <b>${count} ${count === 1 ? 'decision waits' : 'decisions wait'} for you</b>`,
    ...lines,
    ...(rest > 0 ? [`… and ${rest} more.`] : []),
  ];
}

async function statusLines(context: CommandContext): Promise<string[]> {
  const snapshot = await context.services.snapshot(context.actor);
  const online = snapshot.machines.filter((machine) => machine.status === 'online').length;
  const sessions = snapshot.agents.flatMap((agent) => agent.sessions).filter((session) => session.state !== 'ended');
  const waiting = sessions.filter(
    ({ state, waiting: what }) => state === 'waiting' && what?.kind !== 'rate_limit',
  ).length;
  const pending = snapshot.approvals.filter((approval) => approval.state === 'pending').length;
  const live = snapshot.missions.filter(({ state }) => !missionIsOver(state));
  const notices = snapshot.notices.filter((notice) => notice.clearedAt === undefined);
  return [
    '<b>intercom</b>',
    `🖥 ${online} of ${snapshot.machines.length} machines online`,
    `🤖 ${counted(sessions.length, 'live session')}${waiting > 0 ? `, ${waiting} waiting for a person: /attention` : ''}`,
    ...(live.length === 0 ? [] : [`⚙️ ${counted(live.length, 'mission')} not over: /missions`]),
    pending === 0 ? '✅ Nothing waits for you' : `🔔 ${pending} waiting for your decision: /approvals`,
    ...notices.slice(0, 10).map((notice) => {
      const next = notice.next === undefined ? '' : ` ${notice.next}`;
      return `${notice.level === 'info' ? 'ℹ️' : '⚠️'} ${escapeHtml(oneLine(`${notice.text}${next}`, 300))}`;
    }),
  ];
}

function more(count: number): string[] {
  return count > LIST_MAX
    ? [`… and ${count - LIST_MAX} more; the web page and <code>intercom agents</code> list all.`]
    : [];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
