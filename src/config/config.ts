/**
 * The configuration as the code sees it: complete, in camelCase, paths absolute, operators worked out. Made by load.ts alone.
 */
import { join } from 'node:path';
import type { Role } from '../protocol/model.ts';
import { launcherOf, type LauncherConfig } from './launcher.ts';
import type { ConfigFile, Mode } from './schema.ts';

export interface OperatorConfig {
  readonly name: string;
  readonly role: Role;
  readonly telegramUserId?: number;
}

export interface ProjectConfig {
  readonly id: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  readonly path: string;
  /** Which agent program works there unless told otherwise; undefined: the machine's default_command. */
  readonly agentCommand: string | undefined;
}

export interface Config {
  readonly mode: Mode;
  readonly machine: {
    readonly id: string;
    readonly displayName: string;
    readonly description: string;
    /** Given by hand, for a machine on several tailnets; otherwise asked of Tailscale. */
    readonly tailscaleIp: string | undefined;
  };
  readonly telegram: {
    readonly botToken: string | undefined;
    readonly supergroupId: number | undefined;
    readonly apiRoot: string;
    /** An empty list means that nobody may use the bot. */
    readonly allowedUsers: readonly number[];
    readonly restrictToSupergroup: boolean;
    readonly ignorePrivateMessages: boolean;
  };
  readonly hub: {
    /** Where this machine's daemon finds its hub. Absent: not joined yet (or standalone). */
    readonly url: string | undefined;
    /** `auto`, addresses, address:port; see listen.ts. */
    readonly listen: readonly string[];
    readonly port: number;
    readonly daemonListen: readonly string[];
    readonly daemonPort: number;
    /** The web app as people reach it from elsewhere; used in links. */
    readonly dashboardUrl: string | undefined;
    /** A daemon may be on any address, not only on the tailnet: for networks that are private by other means. */
    readonly allowAnyDaemonUrl: boolean;
    /** policies.yml, when it is not beside the configuration. */
    readonly policyFile: string | undefined;
  };
  /** This machine's secret, from `intercom join`. */
  readonly auth: { readonly token: string | undefined };
  /** Never empty; the first one is an owner. Telegram's allowed users are among them. */
  readonly operators: readonly OperatorConfig[];
  readonly discovery: {
    readonly enabled: boolean;
    readonly scanPaths: readonly string[];
    readonly detectBy: readonly string[];
    readonly exclude: readonly string[];
    readonly depth: number;
    readonly rescanSeconds: number;
  };
  readonly projects: readonly ProjectConfig[];
  readonly limits: {
    readonly messageExpirySeconds: number;
    readonly approvalExpirySeconds: number;
    readonly joinExpirySeconds: number;
    /** Loop guard: replies to one message, messages of one pair in a minute, asks that lead to asks. */
    readonly repliesPerMessage: number;
    readonly messagesPerPairPerMinute: number;
    readonly askDepth: number;
  };
  readonly inbox: {
    /** Messages that wait for one session; the rest folds into a digest. */
    readonly maxWaiting: number;
    /** Longer bodies are delivered as their beginning and the id to fetch. */
    readonly inlineCharacters: number;
  };
  readonly retention: {
    readonly messagesDays: number;
    readonly eventsDays: number;
    readonly approvalsDays: number;
    readonly backups: number;
  };
  readonly push: {
    /** Whom a push service writes to when something is wrong: `mailto:` or `https:`. */
    readonly contact: string;
    /** Push services may be at private and loopback addresses, and without TLS. */
    readonly allowPrivate: boolean;
  };
  readonly agentLauncher: LauncherConfig;
}

export interface Surroundings {
  readonly home: string;
  readonly hostname: string;
}

/** What the environment says in place of the file (env.ts). */
export interface Overrides {
  readonly botToken?: string;
  readonly supergroupId?: number;
  readonly ownerIds?: readonly number[];
  readonly apiRoot?: string;
  readonly hubUrl?: string;
  readonly token?: string;
}

export function configOf(file: ConfigFile, overrides: Overrides, around: Surroundings): Config {
  const id = file.machine.id ?? machineIdOf(around.hostname);
  const operators = operatorsOf(file, overrides.ownerIds);
  const allowedUsers = operators.flatMap((operator) => operator.telegramUserId ?? []);
  return {
    mode: file.mode,
    machine: {
      id,
      displayName: file.machine.display_name ?? id,
      description: file.machine.description,
      tailscaleIp: file.machine.tailscale_ip,
    },
    telegram: {
      botToken: overrides.botToken ?? file.telegram.bot_token,
      supergroupId: overrides.supergroupId ?? file.telegram.supergroup_id,
      apiRoot: overrides.apiRoot ?? file.telegram.api_root,
      allowedUsers,
      restrictToSupergroup: file.telegram.security.restrict_to_supergroup,
      ignorePrivateMessages: file.telegram.security.ignore_private_messages,
    },
    hub: {
      url: overrides.hubUrl ?? file.hub.url,
      listen: file.hub.listen,
      port: file.hub.port,
      daemonListen: file.hub.daemon_listen,
      daemonPort: file.hub.daemon_port,
      dashboardUrl: file.hub.dashboard_url,
      allowAnyDaemonUrl: file.hub.allow_any_daemon_url,
      policyFile: file.hub.policy_file === undefined ? undefined : expand(file.hub.policy_file, around.home),
    },
    auth: { token: overrides.token ?? file.auth.token },
    operators,
    ...workOf(file, around.home),
    ...boundsOf(file),
    push: { contact: contactOf(file), allowPrivate: file.push.allow_private },
  };
}

/** Some push services refuse a contact at localhost or without a dot. */
function contactOf({ push, hub }: ConfigFile): string {
  if (push.contact !== undefined) return push.contact;
  return hub.dashboard_url?.startsWith('https://') === true ? hub.dashboard_url : 'mailto:operator@intercom.invalid';
}

function workOf(file: ConfigFile, home: string): Pick<Config, 'discovery' | 'projects' | 'agentLauncher'> {
  return {
    discovery: {
      enabled: file.discovery.enabled,
      scanPaths: file.discovery.scan_paths.map((path) => expand(path, home)),
      detectBy: file.discovery.detect_by,
      exclude: file.discovery.exclude.map((pattern) => expand(pattern, home)),
      depth: file.discovery.depth,
      rescanSeconds: file.discovery.rescan_seconds,
    },
    projects: file.projects.map((project) => ({
      id: project.id,
      description: project.description,
      capabilities: project.capabilities,
      tags: project.tags,
      path: expand(project.path, home),
      agentCommand: project.agent_command,
    })),
    agentLauncher: launcherOf(file.agent_launcher, (path) => expand(path, home)),
  };
}

function boundsOf(file: ConfigFile): Pick<Config, 'limits' | 'inbox' | 'retention'> {
  return {
    limits: {
      messageExpirySeconds: file.limits.message_expiry_seconds,
      approvalExpirySeconds: file.limits.approval_expiry_seconds,
      joinExpirySeconds: file.limits.join_expiry_seconds,
      repliesPerMessage: file.limits.replies_per_message,
      messagesPerPairPerMinute: file.limits.messages_per_pair_per_minute,
      askDepth: file.limits.ask_depth,
    },
    inbox: { maxWaiting: file.inbox.max_waiting, inlineCharacters: file.inbox.inline_characters },
    retention: {
      messagesDays: file.retention.messages_days,
      eventsDays: file.retention.events_days,
      approvalsDays: file.retention.approvals_days,
      backups: file.retention.backups,
    },
  };
}

/**
 * The named operators and the allowed Telegram users, each once; at least one owner in the end. Users of TELEGRAM_OWNER_ID are owners;
 * those of the file are too where nobody is named, and operators where somebody is.
 */
function operatorsOf(file: ConfigFile, ownerIds: readonly number[] | undefined): OperatorConfig[] {
  const operators: OperatorConfig[] = file.operators.map((operator) => ({
    name: operator.name,
    role: operator.role,
    ...(operator.telegram_user_id === undefined ? {} : { telegramUserId: operator.telegram_user_id }),
  }));
  const isFree = (name: string): boolean => !operators.some((operator) => operator.name === name);
  const hasOwner = (): boolean => operators.some((operator) => operator.role === 'owner');
  const role = ownerIds !== undefined || file.operators.length === 0 ? 'owner' : 'operator';
  for (const telegramUserId of ownerIds ?? file.telegram.security.allowed_users) {
    if (operators.some((operator) => operator.telegramUserId === telegramUserId)) continue;
    const name = role === 'owner' && !hasOwner() && isFree('owner') ? 'owner' : `telegram-${telegramUserId}`;
    if (isFree(name)) operators.push({ name, role, telegramUserId });
  }
  if (!hasOwner()) operators.push({ name: isFree('owner') ? 'owner' : 'first-owner', role: 'owner' });
  return operators.sort((a, b) => Number(b.role === 'owner') - Number(a.role === 'owner'));
}

/** A machine id from a host name: its first label, what does not fit replaced by `-`. */
export function machineIdOf(hostname: string): string {
  const label = hostname.split('.')[0] ?? '';
  const cleaned = label
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
    .toLowerCase();
  if (cleaned === '' || cleaned === 'human' || cleaned === 'hub' || cleaned === 'intercom')
    return `machine-${cleaned || '1'}`;
  return cleaned;
}

function expand(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}
