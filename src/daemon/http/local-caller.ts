/**
 * Who calls the local API: the key that every request carries, and what the caller's headers say.
 *
 * Invariants: without the key nothing is answered; the agent's process is believed before the session id (an environment outlives a session),
 * and that before the directory; a session whose process is another one's is not the caller's.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isAbsolute } from 'node:path';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { SessionId } from '../../protocol/address.ts';
import { IntercomError, parseWith } from '../../protocol/errors.ts';
import { CALLER_HEADERS } from '../../protocol/local-api.ts';
import { Session } from '../../protocol/model.ts';
import type { Caller, Projects, SessionBook } from '../ports.ts';

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
    },
    'caller headers',
  );
  return { agent: headers.agent, pid: headers.pid, session: headers.session, cwd: headers.cwd };
}

export function identify(caller: Caller, book: SessionBook, projects: Projects, home: string): Identity {
  const session = sessionOf(caller, book);
  const project = session?.project ?? projects.forDirectory(caller.cwd ?? home).id;
  return { caller, project, session };
}

function sessionOf(caller: Caller, book: SessionBook): Session | undefined {
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
