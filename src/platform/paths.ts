/**
 * Where things live. `INTERCOM_HOME` moves everything, so that several instances run on one machine; otherwise the XDG directories.
 * Never relative to the working directory, and the same for every program of this user: hooks, agents and services see other TMPDIRs.
 */
import { createHash } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { IntercomError } from '../protocol/errors.ts';

export interface Paths {
  /** config.yml and policies.yml. */
  readonly config: string;
  /** Databases, keys, backups. */
  readonly state: string;
  /** Unix sockets: inside `state`, or a short per-user directory when that path is too long for a socket. */
  readonly runtime: string;
  readonly configFile: string;
  readonly policyFile: string;
  readonly hubDatabase: string;
  readonly daemonDatabase: string;
  /** The hub's operator socket and the key that goes with it. */
  readonly hubSocket: string;
  readonly hubKey: string;
  /** The key pair that the hub signs web push with. */
  readonly pushKeys: string;
  /** The daemon's local socket, and its key (also as a header file for curl). */
  readonly daemonSocket: string;
  readonly daemonKey: string;
  readonly daemonKeyHeader: string;
  /** The bearer of `intercom login`. */
  readonly loginFile: string;
  /** Where the hook scripts are copied to. */
  readonly hooks: string;
}

/** The kernel's limit for a socket path is 104 bytes on macOS, 108 on Linux, with the closing zero. */
const SOCKET_PATH_MAX = 100;

/** Throws `invalid_config` when INTERCOM_HOME is not an absolute path. */
export function resolvePaths(env: NodeJS.ProcessEnv, home: string = homedir()): Paths {
  const own = ownHome(env.INTERCOM_HOME);
  const config =
    own === undefined
      ? join(absolute(env.XDG_CONFIG_HOME) ?? join(home, '.config'), 'ai-intercom')
      : join(own, 'config');
  const state =
    own === undefined
      ? join(absolute(env.XDG_STATE_HOME) ?? join(home, '.local', 'state'), 'ai-intercom')
      : join(own, 'state');
  const runtime = runtimeDirectory(state);
  return {
    config,
    state,
    runtime,
    configFile: join(config, 'config.yml'),
    policyFile: join(config, 'policies.yml'),
    hubDatabase: join(state, 'hub.db'),
    daemonDatabase: join(state, 'daemon.db'),
    hubSocket: join(runtime, 'hub.sock'),
    hubKey: join(state, 'hub.key'),
    pushKeys: join(state, 'push.keys'),
    daemonSocket: join(runtime, 'daemon.sock'),
    daemonKey: join(state, 'daemon.key'),
    daemonKeyHeader: join(state, 'daemon.key.header'),
    loginFile: join(config, 'login.json'),
    hooks: join(state, 'hooks'),
  };
}

/** Where the short directories of this user are; whoever listens in one checks that this one is the user's too. */
export function shortRuntimeRoot(): string {
  return `/tmp/intercom-${userInfo().uid}`;
}

function ownHome(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (isAbsolute(text)) return text;
  throw new IntercomError(
    'invalid_config',
    'The environment variable INTERCOM_HOME has a faulty value: it must be an absolute path.',
    { field: 'INTERCOM_HOME', next: 'Write it from / on (like /home/me/intercom), or unset INTERCOM_HOME.' },
  );
}

/** A relative XDG directory counts as none, as its specification wants. */
function absolute(text: string | undefined): string | undefined {
  return text !== undefined && isAbsolute(text) ? text : undefined;
}

function runtimeDirectory(state: string): string {
  if (Buffer.byteLength(join(state, 'daemon.sock')) <= SOCKET_PATH_MAX) return state;
  const short = createHash('sha256').update(state).digest('hex').slice(0, 12);
  return join(shortRuntimeRoot(), short);
}
