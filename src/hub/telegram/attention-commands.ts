/** `/attention` and `/usage`: what waits for a person now, and what the agents used. Reading only; every number is of now. */
import type { MachineUsage, Tokens, UsageSpan } from '../../protocol/attention.ts';
import type { Agent, Approval, Session } from '../../protocol/model.ts';
import type { Actor, HubServices } from '../services.ts';
import { noticeItemKey, WAIT_ICONS } from './attention-posts.ts';
import { approvalKey } from './feed.ts';
import { escapeHtml, oneLine } from './html.ts';
import { linkOf } from './mission-desk.ts';
import { pendingApprovals } from './pending.ts';
import type { CardButton, Item, TelegramStore } from './ports.ts';
import { agoWords, partyName, shortTime, subjectWords } from './words.ts';

export interface AttentionContext {
  readonly services: HubServices;
  readonly store: Pick<TelegramStore, 'item'>;
  readonly actor: Actor;
  readonly now: number;
  /** Where it was asked. */
  readonly chatId: number;
}

export interface CommandAnswer {
  readonly lines: readonly string[];
  readonly buttons?: readonly (readonly CardButton[])[];
}

/** The beginning of the data of a button that leads to the item with this key. */
export const WAY = 'g:';

/** Something that waits for a person. */
interface Waiting {
  readonly since: string;
  readonly icon: string;
  readonly words: string;
  /** The item that shows it. */
  readonly shownAs: string;
}

const LIST_MAX = 30;
const LIMITS_MAX = 10;

export async function attentionAnswer(context: AttentionContext): Promise<CommandAnswer> {
  const { services, store, now } = context;
  const agents = await services.registry.agents('all');
  const live = agents.flatMap((agent) =>
    agent.sessions.filter(({ state }) => state !== 'ended').map((session) => ({ agent, session })),
  );
  const approvals: Approval[] = [];
  for await (const approval of pendingApprovals(services.approvals)) approvals.push(approval);
  const asking = new Set(
    approvals.map(({ subject }) => (subject.kind === 'tool' || subject.kind === 'question' ? subject.from : '')),
  );
  const waiting = [
    ...approvals.map(approvalWaits),
    // What a session asks is told once: by its approval, where there is one.
    ...live.flatMap(({ agent, session }) =>
      asking.has(addressOf(agent, session)) ? [] : sessionWaits(agent, session),
    ),
  ].sort((a, b) => a.since.localeCompare(b.since));
  const count = (state: Session['state'][]) => live.filter(({ session }) => state.includes(session.state)).length;
  const stalled = live.filter(({ session }) => session.stalledSince !== undefined && session.state !== 'waiting');
  const counts = [
    `⚙️ ${count(['working', 'thinking', 'starting'])} working`,
    `💤 ${count(['idle'])} idle`,
    ...(stalled.length === 0 ? [] : [`🐌 ${stalled.length} silent for long`]),
  ].join(' · ');
  const after = [counts, ...live.flatMap(({ agent, session }) => limitLine(agent, session)).slice(0, LIMITS_MAX)];
  const [longest] = waiting;
  if (longest === undefined) return { lines: ['✅ <b>Nothing waits for you.</b>', ...after] };
  const listed = waiting.slice(0, LIST_MAX);
  const items = await Promise.all(listed.map(({ shownAs }) => store.item(shownAs)));
  const rest = waiting.length - listed.length;
  return {
    lines: [
      `🔔 <b>${waiting.length} ${waiting.length === 1 ? 'waits' : 'wait'} for you</b>, the longest for ${agoWords(longest.since, now)}`,
      ...listed.map((each, index) => waitingLine(each, index + 1, items[index], context)),
      ...(rest > 0 ? [`… and ${rest} more; the web page and <code>intercom attention</code> list all.`] : []),
      ...after,
    ],
    buttons: wayButtons(items, context.chatId),
  };
}

/** It waits for its provider: nobody can help, but people wonder. */
function limitLine(agent: Agent, { waiting }: Session): string[] {
  if (waiting?.kind !== 'rate_limit') return [];
  const until = waiting.resetAt === undefined ? '' : `; it goes on at ${shortTime(waiting.resetAt)}`;
  return [`${WAIT_ICONS.rate_limit} ${escapeHtml(partyName(agent.address))} has reached a limit${until}`];
}

function addressOf(agent: Agent, session: Session): string {
  return `${agent.address}#${session.id}`;
}

function approvalWaits(approval: Approval): Waiting {
  const { subject, id, createdAt } = approval;
  const icon =
    subject.kind === 'tool'
      ? subject.plan === true
        ? WAIT_ICONS.plan
        : WAIT_ICONS.permission
      : WAIT_ICONS[subject.kind];
  return { since: createdAt, icon, words: subjectWords(approval), shownAs: approvalKey(id) };
}

function sessionWaits(agent: Agent, session: Session): Waiting[] {
  const { waiting } = session;
  if (session.state !== 'waiting' || waiting === undefined || waiting.kind === 'rate_limit') return [];
  const name = partyName(agent.address);
  return [
    {
      since: session.stateSince,
      icon: WAIT_ICONS[waiting.kind],
      words: `${name} waits: ${waiting.what}`,
      shownAs: noticeItemKey(`session:${agent.machine}/${session.id}`),
    },
  ];
}

function waitingLine(waiting: Waiting, number: number, item: Item | undefined, context: AttentionContext): string {
  const link = linkOf(item);
  const words = escapeHtml(oneLine(waiting.words, 200));
  const shown = link === undefined ? words : `<a href="${link}">${words}</a>`;
  const mark = needsWay(item, context.chatId) ? `${number}. ${waiting.icon}` : waiting.icon;
  return `${mark} ${shown} <i>${agoWords(waiting.since, context.now)}</i>`;
}

const IN_A_ROW = 5;

/** Where messages have no address (a private chat, a plain group), a press leads to the card: by a message that answers it. */
function wayButtons(items: readonly (Item | undefined)[], chatId: number): CardButton[][] {
  const buttons = items.flatMap((item, index) => {
    const data = `${WAY}${item?.key ?? ''}`;
    return needsWay(item, chatId) && Buffer.byteLength(data) <= 64 ? [{ text: `⤴️ ${index + 1}`, data }] : [];
  });
  const rows: CardButton[][] = [];
  for (let at = 0; at < buttons.length; at += IN_A_ROW) rows.push(buttons.slice(at, at + IN_A_ROW));
  return rows;
}

function needsWay(item: Item | undefined, chatId: number): boolean {
  return item !== undefined && item.chatId === chatId && item.sent.length > 0 && linkOf(item) === undefined;
}

// ── usage ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export async function usageLines({ services, now }: AttentionContext): Promise<string[]> {
  const usage = await services.attention.usage();
  const agents = await services.registry.agents('all');
  const sessions = agents.flatMap((agent) =>
    agent.sessions.flatMap((session) => {
      const used = usage.sessions.find((each) => each.session === session.id && each.machine === agent.machine);
      return session.state === 'ended' || used === undefined ? [] : [contextLine(agent, used)];
    }),
  );
  if (usage.machines.length + sessions.length === 0) {
    return ['Nothing is known of usage yet. It is read from what the agents write down themselves, on each machine.'];
  }
  return [
    '<b>Usage</b>',
    ...[...usage.machines]
      .sort((a, b) => a.machine.localeCompare(b.machine))
      .flatMap((each) => machineLines(each, now)),
    ...(sessions.length === 0 ? [] : ['', '<b>Context of live sessions</b>', ...sessions.slice(0, LIST_MAX)]),
  ];
}

function machineLines(
  { machine, agent, block, week, scanning }: MachineUsage & { machine: string },
  now: number,
): string[] {
  return [
    `🖥 <b>${escapeHtml(machine)}</b> ${escapeHtml(agent)}`,
    ...(block === undefined || Date.parse(block.end) <= now
      ? ['   5 hours: none under way']
      : [`   5 hours: ${spanWords(block)}, resets ${shortTime(block.end)}`]),
    ...(week === undefined
      ? []
      : [`   Week: ${spanWords(week)}${week.usedPercent === undefined ? '' : `, resets ${shortTime(week.end)}`}`]),
    ...(scanning === undefined
      ? []
      : [`   <i>still reading: ${percent(scanning.read, scanning.total)} of what was written down</i>`]),
  ];
}

function spanWords({ tokens, costUsd, usedPercent }: UsageSpan): string {
  return [
    ...(usedPercent === undefined ? [] : [`<b>${Math.round(usedPercent)} %</b> used`]),
    `${short(total(tokens))} tokens`,
    ...(costUsd === undefined ? [] : [`$${costUsd.toFixed(2)}`]),
  ].join(', ');
}

function contextLine(
  agent: Agent,
  {
    contextTokens,
    contextWindow,
    model,
    costUsd,
  }: Awaited<ReturnType<HubServices['attention']['usage']>>['sessions'][number],
): string {
  const context =
    contextTokens === undefined
      ? 'context not told'
      : contextWindow === undefined
        ? `${short(contextTokens)} tokens`
        : `${short(contextTokens)} of ${short(contextWindow)} (${percent(contextTokens, contextWindow)})`;
  const mark =
    contextTokens !== undefined && contextWindow !== undefined && contextTokens > contextWindow * 0.8 ? '🟠' : '•';
  const facts = [
    context,
    ...(model === undefined ? [] : [model]),
    ...(costUsd === undefined ? [] : [`$${costUsd.toFixed(2)}`]),
  ];
  return `${mark} ${escapeHtml(partyName(agent.address))}: ${escapeHtml(facts.join(', '))}`;
}

function total({ input, output, cacheRead, cacheWrite }: Tokens): number {
  return input + output + cacheRead + cacheWrite;
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '100 %' : `${Math.round((part / whole) * 100)} %`;
}

/** `84k`, `1.2M`. */
function short(count: number): string {
  if (count < 1_000) return String(count);
  return count < 999_500 ? `${Math.round(count / 1_000)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}
