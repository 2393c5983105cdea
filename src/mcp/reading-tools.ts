/**
 * The tools that read: who is there, what was said, what waits for me. Results are bounded, because they cost the agent's context;
 * what is left out is counted, and the way to it is named. Peers' texts are marked as such.
 */
import { z } from 'zod';
import { isMachineId } from '../protocol/address.ts';
import { MessageId, isId } from '../protocol/ids.ts';
import { INLINE_BODY_MAX } from '../protocol/limits.ts';
import type { InboxItem } from '../protocol/local-api.ts';
import type { Agent, Message } from '../protocol/model.ts';
import { messageIdOf } from './message-tools.ts';
import { LogShape, missionHistory } from './mission-status.ts';
import { defineTool, optional } from './tool.ts';
import type { Tool } from './tool.ts';
import { PEER_NOTE, TEXT_PAGE, pageOf, quoted } from './words.ts';

/** Agents in one result; those with live sessions come first. */
const AGENTS_MAX = 60;
/** Characters of message texts in one history page. */
const HISTORY_TEXT_MAX = 40_000;

const AgentShape = z.object({
  address: z.string(),
  machine_status: z.string(),
  agent: z.string(),
  description: z.string().optional(),
  capabilities: z.array(z.string()).optional(),
  tags: z.array(z.string()).optional(),
  sessions: z.array(
    z.object({ id: z.string(), name: z.string().optional(), state: z.string(), waiting_for: z.string().optional() }),
  ),
});

export const listTool = defineTool({
  name: 'intercom_list_agents',
  description: 'Who can be reached: addresses, what they are for, and their live sessions.',
  input: z.strictObject({
    filter: z
      .string()
      .max(100)
      .refine(isFilter, { message: 'use all, online, or machine:<id>' })
      .default('all')
      .describe('all, online, or machine:<id>'),
  }),
  output: z.object({ you: z.string(), agents: z.array(AgentShape), more: z.number(), note: z.string().optional() }),
  annotations: { readOnlyHint: true },
  run: async (args, call) => {
    const [{ agents }, me] = await Promise.all([call.client.agents(args.filter), call.client.whoami()]);
    const shown = [...agents].sort(byUse).slice(0, AGENTS_MAX);
    const more = agents.length - shown.length;
    const notes = [
      ...(more > 0 ? [`${more} more are not shown: narrow it with filter "online" or "machine:<id>".`] : []),
      ...(me.hubReachable ? [] : ['The hub cannot be reached now: this is what was last known, or only this machine.']),
    ];
    return {
      structured: {
        you: me.address,
        agents: shown.map(agentShape),
        more,
        ...(notes.length === 0 ? {} : { note: notes.join(' ') }),
      },
      text: [`You are ${me.address}.`, ...shown.map(agentLine), ...notes].join('\n'),
    };
  },
});

const HistoryItem = z.object({
  message_id: z.string(),
  kind: z.string(),
  from: z.string(),
  to: z.string(),
  text: z.string(),
  cut: z.boolean().optional(),
  state: z.string(),
  reason: z.string().optional(),
  in_reply_to: z.string().optional(),
  sent_at: z.string(),
});

export const historyTool = defineTool({
  name: 'intercom_history',
  description:
    'Read a conversation by its thread_id (oldest first), one message in full by its message_id, or what a mission did (its log) by its mission_id.',
  input: z.strictObject({
    mission_id: z.string().max(64).describe('thr_…, msg_… or mis_…'),
    limit: z.number().int().min(1).max(100).default(50),
    before: MessageId.optional().describe('Page backwards from this message'),
    offset: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Character to go on from, in a long message; in a log, the number to go on after'),
  }),
  output: z.object({
    thread_id: z.string(),
    title: z.string().optional(),
    messages: z.array(HistoryItem),
    more: z.boolean(),
    next_offset: z.number().optional(),
    mission_id: z.string().optional(),
    entries: z.array(LogShape).optional(),
    note: z.string(),
  }),
  annotations: { readOnlyHint: true },
  run: async (args, call) => {
    if (isId('mission', args.mission_id)) return missionHistory(call, args.mission_id, args);
    if (isId('thread', args.mission_id)) {
      const page = await call.client.thread(args.mission_id, { limit: args.limit, before: args.before });
      const { items, left } = newestWithin(page.messages.map(historyItem));
      const more = page.more || left > 0;
      const oldest = items[0]?.message_id;
      const hint = more && oldest !== undefined ? `\nOlder ones: before "${oldest}".` : '';
      return {
        structured: { thread_id: page.thread.id, title: page.thread.title, messages: items, more, note: PEER_NOTE },
        text: `${page.thread.id}: ${items.length} of ${page.thread.messageCount} messages. ${PEER_NOTE}\n${items.map(historyText).join('\n')}${hint}`,
      };
    }
    const { message } = await call.client.trace(messageIdOf(args.mission_id));
    const page = pageOf(message.body, args.offset);
    const item = { ...historyItem(message), text: page.text, cut: page.next !== undefined };
    return {
      structured: {
        thread_id: message.threadId,
        messages: [item],
        more: false,
        ...optional('next_offset', page.next),
        note: PEER_NOTE,
      },
      text: `${PEER_NOTE}\n${historyText(item)}${page.next === undefined ? '' : `\nIt goes on: offset ${page.next} (of ${message.body.length}).`}`,
    };
  },
});

const InboxShape = z.object({
  message_id: z.string(),
  thread_id: z.string(),
  kind: z.string(),
  from: z.string(),
  text: z.string(),
  cut: z.boolean().optional(),
  approval: z.string(),
  in_reply_to: z.string().optional(),
  sent_at: z.string(),
});

export const inboxTool = defineTool({
  name: 'intercom_check_inbox',
  description: 'Take the messages that wait for you. They usually come by themselves; check when you wait for one.',
  input: z.strictObject({}),
  output: z.object({ messages: z.array(InboxShape), count: z.number(), more: z.number(), note: z.string().optional() }),
  run: async (_args, call) => {
    const taken = await call.client.takeInbox(call.signal);
    const { offer } = taken;
    if (offer !== undefined) call.afterAnswer(() => call.client.acknowledge(offer));
    const messages = taken.messages.map(inboxShape);
    const left = taken.more === 0 ? '' : `\n${taken.more} more wait; call intercom_check_inbox again.`;
    const text =
      messages.length === 0
        ? 'No messages wait for you.'
        : `${PEER_NOTE}\n${messages.map(inboxText).join('\n')}${left}`;
    return {
      structured: {
        messages,
        count: messages.length,
        more: taken.more,
        ...(messages.length === 0 ? {} : { note: PEER_NOTE }),
      },
      text,
    };
  },
});

export const READING_TOOLS: readonly Tool[] = [listTool, historyTool, inboxTool];

function isFilter(text: string): boolean {
  if (text === 'all' || text === 'online') return true;
  return text.startsWith('machine:') && isMachineId(text.slice('machine:'.length));
}

/** Live sessions first, then machines that answer, then by address. */
function byUse(left: Agent, right: Agent): number {
  const weight = (agent: Agent): number =>
    (agent.sessions.length > 0 ? 0 : 2) + (agent.machineStatus === 'online' ? 0 : 1);
  return weight(left) - weight(right) || left.address.localeCompare(right.address);
}

function agentShape(agent: Agent): z.infer<typeof AgentShape> {
  const { description, capabilities, tags } = agent.project;
  return {
    address: agent.address,
    machine_status: agent.machineStatus,
    agent: agent.project.agent,
    ...(description === '' ? {} : { description }),
    ...(capabilities.length === 0 ? {} : { capabilities }),
    ...(tags.length === 0 ? {} : { tags }),
    sessions: agent.sessions.slice(0, 20).map((session) => ({
      id: session.id,
      ...optional('name', session.name),
      state: session.state,
      ...optional('waiting_for', session.waiting?.what),
    })),
  };
}

function agentLine(agent: Agent): string {
  const sessions = agent.sessions.map((session) => `#${session.id.slice(0, 8)} ${session.state}`).join(', ');
  const about = agent.project.description === '' ? '' : ` · ${agent.project.description}`;
  return `${agent.address} (machine ${agent.machineStatus}; ${sessions === '' ? 'no session' : sessions})${about}`;
}

function historyItem(message: Message): z.infer<typeof HistoryItem> {
  const cut = message.body.length > INLINE_BODY_MAX;
  return {
    message_id: message.id,
    kind: message.kind,
    from: message.from,
    to: message.to,
    text: cut ? Buffer.from(message.body.slice(0, INLINE_BODY_MAX)).toString() : message.body,
    ...(cut ? { cut } : {}),
    state: message.state,
    ...optional('reason', message.reason),
    ...optional('in_reply_to', message.inReplyTo),
    sent_at: message.createdAt,
  };
}

type HistoryItem = z.infer<typeof HistoryItem>;

/** The newest items whose texts fit into one result. */
function newestWithin(items: HistoryItem[]): { items: HistoryItem[]; left: number } {
  let room = HISTORY_TEXT_MAX;
  let first = items.length;
  while (first > 0) {
    room -= items[first - 1]?.text.length ?? 0;
    if (room < 0 && first < items.length) break;
    first -= 1;
  }
  return { items: items.slice(first), left: first };
}

function historyText(item: HistoryItem): string {
  const rest = item.cut === true ? `\n(cut; the whole: mission_id "${item.message_id}")` : '';
  return `${item.message_id} ${item.kind} from ${item.from} to ${item.to}, ${item.state}, ${item.sent_at}\n${quoted(item.text)}${rest}`;
}

function inboxShape(item: InboxItem): z.infer<typeof InboxShape> {
  return {
    message_id: item.id,
    thread_id: item.threadId,
    kind: item.kind,
    from: item.from,
    text: item.body.slice(0, TEXT_PAGE),
    ...(item.cut || item.body.length > TEXT_PAGE ? { cut: true } : {}),
    approval: item.approval,
    ...optional('in_reply_to', item.inReplyTo),
    sent_at: item.sentAt,
  };
}

function inboxText(item: z.infer<typeof InboxShape>): string {
  const rest = item.cut === true ? `\n(cut; intercom_history with ${item.message_id} gives the whole)` : '';
  const answer =
    item.kind === 'notice' ? 'a notice of the hub' : `answer with intercom_reply, thread_id ${item.thread_id}`;
  return `${item.message_id} ${item.kind} from ${item.from} (${item.approval}; ${answer})\n${quoted(item.text)}${rest}`;
}
