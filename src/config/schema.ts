/**
 * The configuration file: every key, what it may hold, and what it is when it is not given. In YAML the keys are snake_case; the rest
 * of the code sees `Config`, in camelCase, made by the transforms at the end of each section.
 *
 * Invariants: every key is optional; an empty file is a valid one. A `null` (a key with nothing behind it) means "not given". A key that
 * is not listed here is warned about and ignored (load.ts).
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { isMachineId, OperatorName, ProjectId } from '../protocol/address.ts';
import {
  APPROVAL_EXPIRY_SECONDS,
  DEFAULT_EXPIRY_SECONDS,
  INBOX_MAX,
  INLINE_BODY_MAX,
  JOIN_EXPIRY_SECONDS,
} from '../protocol/limits.ts';
import { Role } from '../protocol/model.ts';
import { lineText } from '../protocol/text.ts';
import { AGENT_KEYS, launcherSection } from './launcher.ts';
import { isListenEntry } from './listen.ts';

export const HUB_PORT = 7700;
export const DAEMON_PORT = 7701;

const port = z.number().int().min(1).max(65_535);
const days = z.number().int().min(1).max(36_500);
const machineId = z.string().refine(isMachineId, {
  message:
    'a machine id has letters, digits, ".", "_" and "-", at most 64 of them, and is not "human", "hub" or "intercom"',
});
/** `~` stands for the home directory; load.ts puts it in. */
const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => isAbsolute(text) || text === '~' || text.startsWith('~/'), {
    message: 'a path begins with "/" or "~/"; it is never relative to where you are',
  });
const webUrl = z
  .string()
  .max(300)
  .refine(isWebUrl, { message: 'a web address that begins with http:// or https:// and carries no password' })
  .transform((url) => url.replace(/\/+$/, ''));
const secret = z.string().min(1).max(500).regex(/^\S+$/, { message: 'it has white space in it' });
const userId = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const listen = z.string().max(200).refine(isListenEntry, {
  message: '"auto" (loopback and the Tailscale address), an IP address, or address:port',
});
const oneOrMore = z.union([listen.transform((entry) => [entry]), z.array(listen).min(1).max(20)]);

export const Mode = z.enum(['hub', 'daemon', 'standalone']);
export type Mode = z.infer<typeof Mode>;

const machine = z.object({
  id: machineId.optional(),
  display_name: lineText(100).optional(),
  description: lineText(500).default(''),
  tailscale_ip: z.union([z.ipv4(), z.ipv6()], { error: 'an IP address' }).optional(),
});

const telegramSecurity = z.object({
  allowed_users: z.array(userId).max(100).default([]),
  restrict_to_supergroup: z.boolean().default(false),
  ignore_private_messages: z.boolean().default(false),
});
const telegram = z.object({
  bot_token: z
    .string()
    .regex(/^[0-9]{3,20}:[A-Za-z0-9_-]{20,100}$/, {
      message: 'a bot token looks like 123456:ABC…, as @BotFather gives it',
    })
    .optional(),
  supergroup_id: z
    .number()
    .int()
    .refine((id) => id < 0, { message: 'the id of a group is negative, most often -100…' })
    .optional(),
  api_root: webUrl.default('https://api.telegram.org'),
  security: telegramSecurity.prefault({}),
});

const hub = z.object({
  url: webUrl.optional(),
  listen: oneOrMore.default(['auto']),
  port: port.default(HUB_PORT),
  daemon_listen: oneOrMore.default(['auto']),
  daemon_port: port.default(DAEMON_PORT),
  dashboard_url: webUrl.optional(),
  allow_any_daemon_url: z.boolean().default(false),
  policy_file: path.optional(),
});

const auth = z.object({ token: secret.optional() });

const operator = z.object({
  name: OperatorName,
  role: Role.default('operator'),
  telegram_user_id: userId.optional(),
});

const discovery = z.object({
  enabled: z.boolean().default(true),
  scan_paths: z.array(path).max(100).default([]),
  detect_by: z
    .array(z.string().min(1).max(200))
    .min(1)
    .max(50)
    .default(['CLAUDE.md', 'AGENTS.md', 'GEMINI.md', '.claude']),
  exclude: z
    .array(z.string().min(1).max(500))
    .max(500)
    .default(['**/node_modules', '**/.venv', '**/venv', '**/vendor', '**/.cache', '**/.git']),
  depth: z.number().int().min(1).max(10).default(3),
  rescan_seconds: z.number().int().min(5).max(86_400).default(60),
});

const project = z.object({
  id: ProjectId,
  description: lineText(500).default(''),
  capabilities: z.array(lineText(60)).max(50).default([]),
  tags: z.array(lineText(60)).max(50).default([]),
  path,
  agent_command: lineText(60).optional(),
});

const limits = z.object({
  message_expiry_seconds: z
    .number()
    .int()
    .min(5)
    .max(31 * 86_400)
    .default(DEFAULT_EXPIRY_SECONDS),
  approval_expiry_seconds: z
    .number()
    .int()
    .min(30)
    .max(31 * 86_400)
    .default(APPROVAL_EXPIRY_SECONDS),
  join_expiry_seconds: z.number().int().min(60).max(86_400).default(JOIN_EXPIRY_SECONDS),
  replies_per_message: z.number().int().min(1).max(1000).default(5),
  messages_per_pair_per_minute: z.number().int().min(1).max(10_000).default(30),
  ask_depth: z.number().int().min(0).max(100).default(4),
});

const inbox = z.object({
  max_waiting: z.number().int().min(1).max(1000).default(INBOX_MAX),
  inline_characters: z.number().int().min(200).max(100_000).default(INLINE_BODY_MAX),
});

const retention = z.object({
  messages_days: days.default(365),
  events_days: days.default(30),
  approvals_days: days.default(365),
  backups: z.number().int().min(1).max(100).default(5),
});

/** RFC 8292: push services want to know whom to write to. */
const contact = z
  .string()
  .max(300)
  .regex(/^(mailto:\S+@\S+|https:\/\/\S+)$/, {
    message: 'mailto:you@example.org, or an address that begins with https://',
  });
const push = z.object({ contact: contact.optional(), allow_private: z.boolean().default(false) });

const dispatcherMemory = z.object({
  enabled: z.boolean().default(true),
  max_messages: z.number().int().min(1).max(1000).default(10),
  max_content_length: z.number().int().min(50).max(100_000).default(500),
  ttl_hours: z.number().int().min(1).max(8760).default(48),
  db_path: z.string().max(4096).optional(),
});
const dispatcher = z.object({
  enabled: z.boolean().default(false),
  target: z.string().max(400).optional(),
  system_prompt: z.string().max(50_000).optional(),
  memory: dispatcherMemory.prefault({}),
});

const voice = z.object({
  enabled: z.boolean().default(false),
  stt_url: webUrl.optional(),
  tts_url: webUrl.optional(),
  tts_language: z.string().max(20).default('fr'),
  tts_speed: z.number().min(0.25).max(4).default(1),
  tts_instruct: z.string().max(2000).optional(),
  response_voice: z.boolean().default(true),
});

/** The file as a whole. Input: YAML with snake_case keys, nulls removed. */
export const ConfigFile = z.object({
  mode: Mode.default('standalone'),
  machine: machine.prefault({}),
  telegram: telegram.prefault({}),
  hub: hub.prefault({}),
  auth: auth.prefault({}),
  operators: z.array(operator).max(100).default([]),
  discovery: discovery.prefault({}),
  projects: z.array(project).max(2000).default([]),
  limits: limits.prefault({}),
  inbox: inbox.prefault({}),
  retention: retention.prefault({}),
  push: push.prefault({}),
  agent_launcher: launcherSection.prefault({}),
  dispatcher: dispatcher.prefault({}),
  voice: voice.prefault({}),
  voice_styles: z.record(z.string().max(100), z.unknown()).default({}),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** What no single key shows: the same name given twice. Returns the path of the repeat and what is wrong with it. */
export function repeats(file: ConfigFile): { readonly path: (string | number)[]; readonly problem: string }[] {
  const lists: [string, string, readonly (string | number | undefined)[]][] = [
    ['operators', 'name', file.operators.map((operator) => operator.name)],
    ['operators', 'telegram_user_id', file.operators.map((operator) => operator.telegram_user_id)],
    ['projects', 'id', file.projects.map((project) => project.id)],
  ];
  return lists.flatMap(([section, key, values]) =>
    values.flatMap((value, index) =>
      value !== undefined && values.indexOf(value) !== index
        ? [{ path: [section, index, key], problem: `"${value}" is there twice; each ${key} may appear once` }]
        : [],
    ),
  );
}

/**
 * The keys of every section, by dotted path (`[]` stands for any index), for the warning about unknown ones. A section that is absent
 * here takes any key; `*` stands for any name.
 */
export const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(ConfigFile.shape),
  machine: Object.keys(machine.shape),
  telegram: Object.keys(telegram.shape),
  'telegram.security': Object.keys(telegramSecurity.shape),
  hub: Object.keys(hub.shape),
  auth: Object.keys(auth.shape),
  'operators.[]': Object.keys(operator.shape),
  discovery: Object.keys(discovery.shape),
  'projects.[]': Object.keys(project.shape),
  limits: Object.keys(limits.shape),
  inbox: Object.keys(inbox.shape),
  retention: Object.keys(retention.shape),
  push: Object.keys(push.shape),
  agent_launcher: Object.keys(launcherSection.shape),
  'agent_launcher.agents.*': AGENT_KEYS,
  dispatcher: Object.keys(dispatcher.shape),
  'dispatcher.memory': Object.keys(dispatcherMemory.shape),
  voice: Object.keys(voice.shape),
};

/** Keys of the older system that these replaced, with what to write now. */
export const RENAMED_KEYS: Readonly<Record<string, string>> = {
  'dispatcher.memory.db_path': "conversations are kept in the hub's own database now",
};

/** Sections that are read and checked, for functions that a later version brings. */
export const LATER_SECTIONS: readonly string[] = ['dispatcher', 'voice', 'voice_styles'];

/** Values that never appear in an error, a log or on a screen. */
export const SECRET_KEYS: readonly string[] = ['telegram.bot_token', 'auth.token'];

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
}
