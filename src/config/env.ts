/** What the environment says in place of the file. An empty variable is not set; a bad value is refused by the variable's name. */
import { IntercomError } from '../protocol/errors.ts';
import type { Overrides } from './config.ts';
import { ConfigFile } from './schema.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Every variable that intercom reads, with what it replaces, for help and documentation. */
export const ENVIRONMENT: readonly { readonly name: string; readonly meaning: string }[] = [
  {
    name: 'INTERCOM_HOME',
    meaning: 'the folder with configuration and state',
  },
  { name: 'INTERCOM_LOG', meaning: `logging: ${LOG_LEVELS.join(', ')}` },
  { name: 'HUB_URL', meaning: 'hub.url' },
  { name: 'INTERCOM_TOKEN', meaning: "auth.token, this machine's secret" },
  { name: 'TELEGRAM_BOT_TOKEN', meaning: 'telegram.bot_token' },
  { name: 'TELEGRAM_SUPERGROUP_ID', meaning: 'telegram.supergroup_id' },
  { name: 'TELEGRAM_OWNER_ID', meaning: 'telegram.security.allowed_users; several with commas' },
  { name: 'TELEGRAM_API_ROOT', meaning: 'telegram.api_root: a Bot API server of your own' },
];

export function readOverrides(env: NodeJS.ProcessEnv): Overrides {
  const botToken = given(env, 'TELEGRAM_BOT_TOKEN');
  const supergroup = given(env, 'TELEGRAM_SUPERGROUP_ID');
  const owners = given(env, 'TELEGRAM_OWNER_ID');
  const apiRoot = given(env, 'TELEGRAM_API_ROOT');
  const hubUrl = given(env, 'HUB_URL');
  const token = given(env, 'INTERCOM_TOKEN');
  const ownerIds = owners?.split(',').map((part) => wholeNumber('TELEGRAM_OWNER_ID', part.trim()));
  return {
    ...(botToken === undefined
      ? {}
      : {
          botToken: check('TELEGRAM_BOT_TOKEN', { telegram: { bot_token: botToken } }).telegram.bot_token ?? botToken,
        }),
    ...(supergroup === undefined ? {} : { supergroupId: supergroupOf(supergroup) }),
    ...(ownerIds === undefined
      ? {}
      : {
          ownerIds: check('TELEGRAM_OWNER_ID', { telegram: { security: { allowed_users: ownerIds } } }).telegram
            .security.allowed_users,
        }),
    ...(apiRoot === undefined
      ? {}
      : { apiRoot: check('TELEGRAM_API_ROOT', { telegram: { api_root: apiRoot } }).telegram.api_root }),
    ...(hubUrl === undefined ? {} : { hubUrl: check('HUB_URL', { hub: { url: hubUrl } }).hub.url ?? hubUrl }),
    ...(token === undefined ? {} : { token: check('INTERCOM_TOKEN', { auth: { token } }).auth.token ?? token }),
  };
}

/** `INTERCOM_LOG`, or `fallback`. */
export function logLevel(env: NodeJS.ProcessEnv, fallback: LogLevel): LogLevel {
  const text = given(env, 'INTERCOM_LOG');
  if (text === undefined) return fallback;
  const level = LOG_LEVELS.find((one) => one === text.toLowerCase());
  if (level === undefined) throw refused('INTERCOM_LOG', `allowed: ${LOG_LEVELS.join(', ')}`);
  return level;
}

function supergroupOf(text: string): number {
  const id = wholeNumber('TELEGRAM_SUPERGROUP_ID', text);
  return check('TELEGRAM_SUPERGROUP_ID', { telegram: { supergroup_id: id } }).telegram.supergroup_id ?? id;
}

function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]?.trim();
  return text === undefined || text === '' ? undefined : text;
}

function wholeNumber(name: string, text: string): number {
  if (!/^-?[0-9]{1,16}$/.test(text)) throw refused(name, 'it must be a whole number');
  return Number(text);
}

// The file's schema decides for the environment too. The value itself is never shown: several of these are secrets.
function check(name: string, input: unknown): ConfigFile {
  const result = ConfigFile.safeParse(input);
  if (result.success) return result.data;
  throw refused(name, result.error.issues[0]?.message ?? 'it is not valid');
}

function refused(name: string, problem: string): IntercomError {
  return new IntercomError('invalid_config', `The environment variable ${name} has a faulty value: ${problem}.`, {
    field: name,
    next: `Correct or unset ${name}.`,
  });
}
