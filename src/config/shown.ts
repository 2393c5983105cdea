/**
 * The configuration that holds, as a person would write it: the file's own keys, each value with where it comes from. For
 * `intercom config show`.
 *
 * Invariant: what is shown, its secrets put back, is a file that gives the same configuration without any environment.
 */
import type { Config, Overrides } from './config.ts';
import { LATER_SECTIONS } from './schema.ts';
import type { ConfigFile } from './schema.ts';
import { isPlainObject } from './yaml-file.ts';

/** What a configuration was made from. */
export interface Origin {
  readonly file: ConfigFile;
  readonly overrides: Overrides;
  /** The line of a key in the file; undefined when the file does not give it. */
  readonly lineOf: (path: readonly string[]) => number | undefined;
}

export type Source =
  | { readonly from: 'file'; readonly line: number }
  | { readonly from: 'environment'; readonly variable: string }
  | { readonly from: 'default' };

export interface ShownKey {
  /** `['hub', 'port']` */
  readonly path: readonly string[];
  readonly value: unknown;
  readonly source: Source;
}

/** Every key that has a value, in the order of the file's schema. Secrets are in it: mask before printing. */
export function shownKeys(config: Config, origin: Origin): ShownKey[] {
  const { file, lineOf } = origin;
  const { telegram, hub, auth, machine } = file;
  const variables = replaced(origin.overrides);
  const whole = {
    ...file,
    machine: { ...machine, id: config.machine.id, display_name: config.machine.displayName },
    telegram: {
      bot_token: config.telegram.botToken,
      supergroup_id: config.telegram.supergroupId,
      api_root: config.telegram.apiRoot,
      security: {
        ...telegram.security,
        allowed_users: [...(origin.overrides.ownerIds ?? telegram.security.allowed_users)],
      },
    },
    hub: { ...hub, url: config.hub.url },
    auth: { ...auth, token: config.auth.token },
    operators: config.operators.map(({ name, role, telegramUserId }) => ({
      name,
      role,
      ...(telegramUserId === undefined ? {} : { telegram_user_id: telegramUserId }),
    })),
  } satisfies ConfigFile;
  return leaves(whole, [])
    .filter(({ path }) => !isLater(path[0] ?? '') || lineOf(path.slice(0, 1)) !== undefined)
    .map(({ path, value }) => ({ path, value, source: sourceOf(path, variables, lineOf) }));
}

/** The keys as one nested value, as YAML holds them. */
export function nested(keys: readonly ShownKey[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { path, value } of keys) {
    let at = root;
    for (const step of path.slice(0, -1)) {
      const inner = at[step];
      const next = isPlainObject(inner) ? inner : {};
      at[step] = next;
      at = next;
    }
    const last = path.at(-1);
    if (last !== undefined) at[last] = value;
  }
  return root;
}

/** `file, line 3`, `environment: HUB_URL`, `default`. */
export function sourceWords(source: Source): string {
  if (source.from === 'file') return `file, line ${source.line}`;
  return source.from === 'environment' ? `environment: ${source.variable}` : 'default';
}

function replaced(overrides: Overrides): ReadonlyMap<string, string> {
  const all: readonly (readonly [string, string, unknown])[] = [
    ['telegram.bot_token', 'TELEGRAM_BOT_TOKEN', overrides.botToken],
    ['telegram.supergroup_id', 'TELEGRAM_SUPERGROUP_ID', overrides.supergroupId],
    ['telegram.security.allowed_users', 'TELEGRAM_OWNER_ID', overrides.ownerIds],
    ['operators', 'TELEGRAM_OWNER_ID', overrides.ownerIds],
    ['telegram.api_root', 'TELEGRAM_API_ROOT', overrides.apiRoot],
    ['hub.url', 'HUB_URL', overrides.hubUrl],
    ['auth.token', 'INTERCOM_TOKEN', overrides.token],
  ];
  return new Map(all.flatMap(([key, name, value]) => (value === undefined ? [] : [[key, name] as const])));
}

function sourceOf(
  path: readonly string[],
  variables: ReadonlyMap<string, string>,
  lineOf: (path: readonly string[]) => number | undefined,
): Source {
  const variable = variables.get(path.join('.'));
  if (variable !== undefined) return { from: 'environment', variable };
  // Without a list of their own, operators are made of the users whom the file allows.
  const line =
    lineOf(path) ?? (path[0] === 'operators' ? lineOf(['telegram', 'security', 'allowed_users']) : undefined);
  return line === undefined ? { from: 'default' } : { from: 'file', line };
}

function leaves(value: unknown, path: readonly string[]): { path: readonly string[]; value: unknown }[] {
  if (value === undefined) return [];
  if (!isPlainObject(value) || Object.keys(value).length === 0) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

function isLater(section: string): boolean {
  return LATER_SECTIONS.includes(section);
}
