/**
 * Who calls the local API: the key that every request carries, and what the caller's headers say.
 *
 * Invariants: without the key nothing is answered; the agent's process is believed before the session id (an environment outlives a session),
 * that before the run that it names, and that before the directory; a session whose process is another one's is not the caller's; a run counts
 * only while it lives here, and for its own agent only, not for another that was started inside it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isAbsolute } from 'node:path';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { SessionId } from '../../protocol/address.ts';
import { IntercomError, parseWith } from '../../protocol/errors.ts';
import { CALLER_HEADERS } from '../../protocol/local-api.ts';
import { Session } from '../../protocol/model.ts';
import { RunnerId } from '../../protocol/ids.ts';
import type { Caller, Projects, SessionBook } from '../ports.ts';
import type { RunnerLookup } from '../sessions/managed.ts';

/** A caller whose project, and maybe session, was found. */
export interface Identity {
  readonly caller: Caller;
  readonly project: string;
  readonly session: Session | undefined;
}

const Headers = z.object({
  agent: Session.shape.agent.optional(),
  pid: z
    .string()
    .regex(/^[1-9][0-9]{0,9}$/)
    .transform(Number)
    .optional(),
  session: SessionId.optional(),
  runner: RunnerId.optional(),
  cwd: z
    .string()
    .max(12_288)
    .transform((text, ctx) => {
      const path = decoded(text);
      if (path !== undefined && isAbsolute(path) && path.length <= 4096 && !path.includes('\0')) return path;
      ctx.addIssue({ code: 'custom', message: 'not an absolute path, percent-encoded' });
      return z.NEVER;
    })
    .optional(),
});

/** Throws `unauthorized` for a request without the key. */
export class LocalKey {
  readonly #digest: Buffer;

  constructor(key: string) {
    this.#digest = digestOf(key);
  }

  check(request: IncomingMessage): void {
    const given = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digestOf(given), this.#digest)) return;
    throw new IntercomError('unauthorized', 'The key of the local API is missing or wrong.', {
      next: 'Programs of this user read it from the file daemon.key in the state directory.',
    });
  }
}

/** What the headers say. Throws `invalid_request` for a header that is none of what it should be. */
export function readCaller(request: IncomingMessage): Caller {
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const headers = parseWith(
    Headers,
    {
      agent: header(CALLER_HEADERS.agent),
      pid: header(CALLER_HEADERS.pid),
      session: header(CALLER_HEADERS.session),
      cwd: header(CALLER_HEADERS.cwd),
      runner: header(CALLER_HEADERS.runner),
    },
    'caller headers',
  );
  const { agent, pid, session, cwd, runner } = headers;
  return { agent, pid, session, cwd, runner };
}

export interface Identities {
  readonly book: Pick<SessionBook, 'list' | 'byPid' | 'get'>;
  readonly runners: RunnerLookup;
  readonly projects: Pick<Projects, 'forDirectory'>;
  readonly home: string;
}

/**
 * Who a request of the local API is from. Throws as LocalKey and readCaller do. A session that calls is alive, also while a tool of ours waits in it for an hour.
 */
export function admit(
  request: IncomingMessage,
  options: Identities & { readonly key: LocalKey; readonly heard: (session: string) => void },
): Identity {
  options.key.check(request);
  const identity = identify(readCaller(request), options);
  if (identity.session !== undefined) options.heard(identity.session.id);
  return identity;
}

export function identify(caller: Caller, { book, runners, projects, home }: Identities): Identity {
  const session = ownSession(caller, book) ?? runSession(caller, book, runners);
  const project = session?.project ?? projects.forDirectory(caller.cwd ?? home).id;
  return { caller, project, session };
}

function ownSession(caller: Caller, book: Identities['book']): Session | undefined {
  const { agent, pid, session } = caller;
  if (pid !== undefined) {
    const byPid =
      agent === undefined
        ? book.list().find((one) => one.pid === pid && one.state !== 'ended')
        : book.byPid(agent, pid);
    if (byPid !== undefined) return byPid;
  }
  const named = session === undefined ? undefined : book.get(session);
  if (named === undefined || named.state === 'ended') return undefined;
  return pid === undefined || named.pid === undefined || named.pid === pid ? named : undefined;
}

/** The parent of an agent's MCP server is not always its runner's agent process: a bridge or a server may be between them. */
function runSession({ runner, agent }: Caller, book: Identities['book'], runners: RunnerLookup): Session | undefined {
  const run = runner === undefined ? undefined : runners.ofRunner(runner);
  if (run?.session === undefined || (agent !== undefined && agent !== run.agent)) return undefined;
  const session = book.get(run.session);
  return session === undefined || session.state === 'ended' ? undefined : session;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
