/**
 * Attention: what a session does, what it waits for, what it asks, what it costs, and what a person wants to be told of.
 *
 * Words: a **wait** is the time in which a session waits for a person, from its beginning to its end; a **question** is what an agent asks to be answered with more
 * than yes or no; an **announcement** is what an agent says to whoever listens.
 */
import { z } from 'zod';
import { AddressText, MachineId, ProjectId, SessionId } from './address.ts';
import { AnnouncementId, ApprovalId, WaitId } from './ids.ts';
import { lineText } from './text.ts';
import { Time } from './time.ts';

// ── the state of a session ───────────────────────────────────────────────────────────────────────────────────────────────

/**
 * permission: may it use a tool · question: it asks something with choices or free text · plan: may it go ahead with its plan · text: it is to be told something
 * (an input that its agent opened) · trust, login: dialogs before a conversation · rate_limit: of its provider, nobody can help but time · dialog: any other.
 */
export const WaitKind = z.enum(['permission', 'question', 'plan', 'text', 'trust', 'login', 'rate_limit', 'dialog']);
export type WaitKind = z.infer<typeof WaitKind>;

export const SessionWait = z.object({
  kind: WaitKind,
  /** What is asked, in one line: "Bash: npm publish". */
  what: lineText(500),
  /** When the limit ends, for `rate_limit`. */
  resetAt: Time.optional(),
});
export type SessionWait = z.infer<typeof SessionWait>;

/**
 * What told the state: an event of the agent (hook, app_server, stream), its own record of live sessions (registry), the screen of a terminal of ours, the
 * heartbeat file of the seed's script, or only that its process lives.
 */
export const StateSource = z.enum(['hook', 'app_server', 'stream', 'registry', 'screen', 'heartbeat', 'process']);
export type StateSource = z.infer<typeof StateSource>;

/** certain: the agent said so, or two sources agree · likely: one witness · guess: nothing was heard for long. */
export const Confidence = z.enum(['certain', 'likely', 'guess']);
export type Confidence = z.infer<typeof Confidence>;

// ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const QuestionOption = z.object({
  label: z.string().min(1).max(2000),
  description: z.string().max(4000).optional(),
});
export type QuestionOption = z.infer<typeof QuestionOption>;

/** One of the questions of a card. Texts may have several lines and any language; nothing of them is shortened. */
export const Question = z.object({
  /** Unique within its card. */
  id: z.string().min(1).max(100),
  /** A word or two for a tab. */
  header: z.string().max(200).optional(),
  text: z.string().min(1).max(8000),
  options: z.array(QuestionOption).max(50),
  /** More than one option may be taken. */
  multiple: z.boolean().default(false),
  /** An answer of one's own is possible (always where there are no options). */
  freeText: z.boolean().default(true),
  /** May be left out. */
  optional: z.boolean().default(false),
});
export type Question = z.infer<typeof Question>;

/** To one question: the labels that were taken, in the order of the options, and a text of one's own. At least one of both, but where it is optional. */
export const QuestionAnswer = z.object({
  id: z.string().min(1).max(100),
  options: z.array(z.string().max(2000)).max(50).default([]),
  text: z.string().max(20_000).optional(),
});
export type QuestionAnswer = z.infer<typeof QuestionAnswer>;

/**
 * Where a question comes from, which says what its answer does: ask_user (Claude Code's AskUserQuestion) · elicitation (a form of an MCP server of the agent) ·
 * ask_human (our own tool) · dialog (the screen of a terminal of ours: the answer is typed, bound to what was shown) · agent (another program's question).
 */
export const QuestionSource = z.enum(['ask_user', 'elicitation', 'ask_human', 'dialog', 'agent']);
export type QuestionSource = z.infer<typeof QuestionSource>;

// ── waits and their history ──────────────────────────────────────────────────────────────────────────────────────────────

/** How a wait ended: answered from afar, at the terminal, by policy, or because it was gone (session ended, taken back, ran out). */
export const WaitEnd = z.enum(['answered', 'at_terminal', 'policy', 'gone']);
export type WaitEnd = z.infer<typeof WaitEnd>;

export const Wait = z.object({
  id: WaitId,
  machine: MachineId,
  project: ProjectId,
  session: SessionId,
  agent: lineText(60),
  kind: WaitKind,
  what: lineText(500),
  approvalId: ApprovalId.optional(),
  since: Time,
  until: Time.optional(),
  end: WaitEnd.optional(),
  /** Who answered. */
  by: lineText(120).optional(),
});
export type Wait = z.infer<typeof Wait>;

/** How long sessions waited, for one kind of thing. Times in milliseconds, of waits that are over. */
export const WaitSummary = z.object({
  kind: WaitKind,
  count: z.number().int().nonnegative(),
  open: z.number().int().nonnegative(),
  totalMs: z.number().nonnegative(),
  medianMs: z.number().nonnegative(),
  longestMs: z.number().nonnegative(),
});
export type WaitSummary = z.infer<typeof WaitSummary>;
export const WaitsPage = z.object({ waits: z.array(Wait), more: z.boolean(), summary: z.array(WaitSummary) });
export type WaitsPage = z.infer<typeof WaitsPage>;

// ── usage ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const count = z.number().int().nonnegative();
export const Tokens = z.object({ input: count, output: count, cacheRead: count, cacheWrite: count });
export type Tokens = z.infer<typeof Tokens>;

/** What one session used. Absent fields are not told by its agent. */
export const SessionUsage = z.object({
  session: SessionId,
  model: lineText(100).optional(),
  /** Tokens of the newest request: what is in its context now; and how many fit. */
  contextTokens: count.optional(),
  contextWindow: count.optional(),
  tokens: Tokens,
  /** US dollars at list prices, or as the agent said; absent for a model whose price is not known. */
  costUsd: z.number().nonnegative().optional(),
  at: Time,
});
export type SessionUsage = z.infer<typeof SessionUsage>;

/** A span of time with a limit of the provider: `usedPercent` only where the provider's own figure is known. */
export const UsageSpan = z.object({
  start: Time,
  end: Time,
  tokens: Tokens,
  costUsd: z.number().nonnegative().optional(),
  usedPercent: z.number().min(0).max(1000).optional(),
});
export type UsageSpan = z.infer<typeof UsageSpan>;

/** What one machine used, by agent program. */
export const MachineUsage = z.object({
  agent: lineText(60),
  /** The current five hours; absent: none is under way. */
  block: UsageSpan.optional(),
  /** The last seven days, or the provider's week. */
  week: UsageSpan.optional(),
  /** The first look through the transcripts: bytes read and bytes there; absent once it is through. */
  scanning: z.object({ read: count, total: count }).optional(),
  at: Time,
});
export type MachineUsage = z.infer<typeof MachineUsage>;

/** POST /api/machine/usage: what changed. A session that is named replaces what was known of it. */
export const UsageReport = z.object({
  sessions: z.array(SessionUsage).max(200).default([]),
  machine: z.array(MachineUsage).max(20).default([]),
});
export type UsageReport = z.infer<typeof UsageReport>;

// ── announcements ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The seed's words (its §9.4). */
export const AnnouncementCategory = z.enum([
  'milestone',
  'difficulty',
  'didactic',
  'attention',
  'permission',
  'lifecycle',
  'summary',
]);
export type AnnouncementCategory = z.infer<typeof AnnouncementCategory>;

export const Announcement = z.object({
  id: AnnouncementId,
  from: AddressText,
  text: z.string().min(1).max(2000),
  category: AnnouncementCategory,
  priority: z.enum(['low', 'normal', 'high']),
  at: Time,
});
export type Announcement = z.infer<typeof Announcement>;

export const Announce = Announcement.pick({ text: true }).extend({
  category: AnnouncementCategory.default('milestone'),
  priority: z.enum(['low', 'normal', 'high']).default('normal'),
});
export type Announce = z.infer<typeof Announce>;
/** Who could have noticed: pages that are looked at now. */
export const Announced = z.object({ id: AnnouncementId, listeners: count });
export type Announced = z.infer<typeof Announced>;

// ── presence and preferences ─────────────────────────────────────────────────────────────────────────────────────────────

/** Who looks at a page or a table of ours now. */
export const Presence = z.object({
  operators: z.array(z.object({ operator: lineText(120), pages: count, since: Time })),
});
export type Presence = z.infer<typeof Presence>;

/** What may ring. `message`, `ask`, `launch`, `join`: approvals of these kinds; `stall`: working and silent; `done`: a turn or a mission ended. */
export const NoticeKind = z.enum([...WaitKind.options, 'message', 'ask', 'launch', 'join', 'stall', 'done']);
export type NoticeKind = z.infer<typeof NoticeKind>;
export const NoticeChannel = z.enum(['telegram', 'push']);
export type NoticeChannel = z.infer<typeof NoticeChannel>;

const ClockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time as HH:MM');

/** How one operator wants to be told. What is absent is as in DEFAULT_PREFERENCES. */
export const Preferences = z.object({
  /** The channels that ring for a kind. */
  channels: z.partialRecord(NoticeKind, z.array(NoticeChannel).max(2)).default({}),
  /** Silence for agent addresses: globs as in policies (`laptop/*`), until a time or for ever. */
  mutes: z
    .array(z.object({ pattern: lineText(200), until: Time.optional() }))
    .max(100)
    .default([]),
  /** Nothing rings until then. */
  muteUntil: Time.optional(),
  /** Nothing rings between these times of day; what came meanwhile is told in one digest afterwards. */
  quiet: z.object({ from: ClockTime, to: ClockTime, timeZone: lineText(60) }).optional(),
  /** Minutes; above 0 what is not urgent (everything but permission, question, plan, dialogs) is gathered and told together. */
  digestMinutes: z
    .number()
    .int()
    .min(0)
    .max(24 * 60)
    .default(0),
});
export type Preferences = z.infer<typeof Preferences>;
/** What is not named stays. `channels` is taken kind by kind, `mutes` as a whole. No defaults: they would overwrite what is not named. */
export const PreferencesPatch = z.object({
  channels: Preferences.shape.channels.unwrap().optional(),
  mutes: Preferences.shape.mutes.unwrap().optional(),
  digestMinutes: Preferences.shape.digestMinutes.unwrap().optional(),
  /** `null` takes them away. */
  muteUntil: Time.nullable().optional(),
  quiet: Preferences.shape.quiet.unwrap().nullable().optional(),
});
export type PreferencesPatch = z.infer<typeof PreferencesPatch>;

/** Both channels for what stops an agent; `done` is off: it would ring with every turn. */
export const DEFAULT_CHANNELS: Readonly<Record<NoticeKind, readonly NoticeChannel[]>> = {
  permission: ['telegram', 'push'],
  question: ['telegram', 'push'],
  plan: ['telegram', 'push'],
  text: ['telegram', 'push'],
  trust: ['telegram', 'push'],
  login: ['telegram', 'push'],
  rate_limit: ['telegram', 'push'],
  dialog: ['telegram', 'push'],
  message: ['telegram', 'push'],
  ask: ['telegram', 'push'],
  launch: ['telegram', 'push'],
  join: ['telegram', 'push'],
  stall: ['telegram', 'push'],
  done: [],
};

/** A browser's push subscription, as `PushSubscription.toJSON()` gives it. */
export const PushSubscription = z.object({
  endpoint: z.url({ protocol: /^https?$/ }).max(2000),
  keys: z.object({ p256dh: z.string().min(40).max(200), auth: z.string().min(10).max(100) }),
});
export type PushSubscription = z.infer<typeof PushSubscription>;
/** What the service worker gets: shows `notice`, or takes the one with this tag away. */
export const PushMessage = z.discriminatedUnion('do', [
  z.object({
    do: z.literal('show'),
    /** One per session or thing: a newer one replaces it. */
    tag: z.string().max(200),
    title: z.string().max(200),
    body: z.string().max(1000),
    /** A path of the web app. */
    path: z.string().max(300),
    /** Allow and Deny on the notice itself, for a plain permission. */
    approval: z.object({ id: ApprovalId, shownHash: z.string().length(64) }).optional(),
    renotify: z.boolean(),
  }),
  z.object({ do: z.literal('close'), tag: z.string().max(200) }),
]);
export type PushMessage = z.infer<typeof PushMessage>;
