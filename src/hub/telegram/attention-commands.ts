/** `/attention` and `/usage`: what waits for a person now, and what the agents used. Reading only; every number is of now. */
import type { MachineUsage, Tokens, UsageSpan } from '../../protocol/attention.ts';
import type { Agent, Approval, Session } from '../../protocol/model.ts';
import type { Actor, HubServices } from '../services.ts';
import { noticeItemKey, WAIT_ICONS } from './attention-posts.ts';
import { approvalKey } from './feed.ts';
import { escapeHtml, oneLine } from './html.ts';
import { linkOf } from './mission-desk.ts';
import { pendingApprovals } from './pending.ts';
import type { TelegramStore } from './ports.ts';
import { agoWords, partyName, shortTime, subjectWords } from './words.ts';

export interface AttentionContext {
  readonly services: HubServices;
  readonly store: Pick<TelegramStore, 'item'>;
  readonly actor: Actor;
  readonly now: number;
}

/** Something that waits for a person. */
interface Waiting {
  readonly since: string;
  readonly icon: string;
  readonly words: string;
  /** The items that may show it, the best one first. */
  readonly shownAs: readonly string[];
}

const LIST_MAX = 30;

export async function attentionLines(context: AttentionContext): Promise<string[]> {
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
  const [longest] = waiting;
  if (longest === undefined) return ['✅ <b>Nothing waits for you.</b>', counts];
  const lines = await Promise.all(waiting.slice(0, LIST_MAX).map((each) => waitingLine(store, each, now)));
  const rest = waiting.length - lines.length;
  return [
    `🔔 <b>${waiting.length} ${waiting.length === 1 ? 'waits' : 'wait'} for you</b>, the longest for ${agoWords(longest.since, now)}`,
    ...lines,
    ...(rest > 0 ? [`… and ${rest} more; the web page and <code>intercom attention</code> list all.`] : []),
    counts,
  ];
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
  return { since: createdAt, icon, words: subjectWords(approval), shownAs: [approvalKey(id)] };
}

function sessionWaits(agent: Agent, session: Session): Waiting[] {
  const { waiting } = session;
  if (session.state !== 'waiting' || waiting === undefined) return [];
  const until = waiting.resetAt === undefined ? '' : `, until ${shortTime(waiting.resetAt)}`;
  const name = partyName(agent.address);
  return [
    {
      since: session.stateSince,
      icon: WAIT_ICONS[waiting.kind],
      words: `${name} waits: ${waiting.what}${until}`,
      shownAs: [noticeItemKey(`session:${agent.machine}/${session.id}`)],
    },
  ];
}

async function waitingLine(store: Pick<TelegramStore, 'item'>, waiting: Waiting, now: number): Promise<string> {
  const links = await Promise.all(waiting.shownAs.map(async (key) => linkOf(await store.item(key))));
  const link = links.find((each) => each !== undefined);
  const words = escapeHtml(oneLine(waiting.words, 200));
  const shown = link === undefined ? words : `<a href="${link}">${words}</a>`;
  return `${waiting.icon} ${shown} <i>${agoWords(waiting.since, now)}</i>`;
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
