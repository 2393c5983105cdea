/**
 * Who calls the operator API: a browser by its cookie, a terminal by its bearer, or a program of this user over the hub's unix socket by
 * its key.
 *
 * Invariants: a cookie counts only together with our own Origin wherever something is changed; a foreign Origin is refused whatever comes
 * with it; the key counts only on the unix socket; a machine's signature counts for nothing here.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { IntercomError } from '../../protocol/errors.ts';
import type { Role } from '../../protocol/model.ts';
import type { Actor, Operators } from '../services.ts';
import { checkHost, checkOrigin, type OwnNames } from './hosts.ts';

export interface Caller {
  readonly actor: Actor;
  /** What the caller showed, for signing out; absent on the unix socket. */
  readonly token: string | undefined;
}

export interface OperatorAuthOptions {
  readonly operators: Operators;
  readonly names: OwnNames;
  readonly cookieName: string;
  /** The key of the unix socket. */
  readonly socketKey: string;
  /** In whose name the unix socket acts. */
  readonly owner: () => Actor['operator'];
  /** Whether a request came over the unix socket. */
  readonly isLocal: (request: IncomingMessage) => boolean;
}

export class OperatorAuth {
  readonly #options: OperatorAuthOptions;

  constructor(options: OperatorAuthOptions) {
    this.#options = options;
  }

  /** The caller. Throws `unauthorized` or `wrong_origin`. `writes`: something may be changed, or a stream opened. */
  async authenticate(request: IncomingMessage, writes: boolean): Promise<Caller> {
    this.checkPlace(request);
    const bearer = bearerOf(request);
    if (bearer !== undefined) return this.#byBearer(request, bearer);
    const cookie = cookieOf(request, this.#options.cookieName);
    if (cookie === undefined) throw notSignedIn();
    // Browsers send Origin with every request that changes something.
    if (writes && request.headers.origin === undefined) {
      throw new IntercomError('wrong_origin', 'A change by cookie needs the Origin header.', {
        next: 'Use the web app, or a token of `intercom login`.',
      });
    }
    const operator = await this.#options.operators.authenticate(cookie, 'web');
    if (operator === undefined) throw notSignedIn();
    return { actor: { operator, via: 'web' }, token: cookie };
  }

  /** Host and, where there is one, Origin. For the routes that nobody is signed in on yet, too. */
  checkPlace(request: IncomingMessage): void {
    const { names, isLocal } = this.#options;
    const { host, origin } = request.headers;
    if (!isLocal(request)) checkHost(host, names);
    if (origin !== undefined) checkOrigin(origin, host, names);
  }

  async #byBearer(request: IncomingMessage, bearer: string): Promise<Caller> {
    const { operators, owner, isLocal, socketKey } = this.#options;
    if (isLocal(request)) {
      if (!sameText(bearer, socketKey)) throw notSignedIn();
      return { actor: { operator: owner(), via: 'cli' }, token: undefined };
    }
    const operator = await operators.authenticate(bearer, 'terminal');
    if (operator === undefined) throw notSignedIn();
    return { actor: { operator, via: 'cli' }, token: bearer };
  }
}

const RANK: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, owner: 2 };

/** Throws `forbidden` unless the caller's role is at least `needed`. */
export function requireRole(actor: Actor, needed: Role): void {
  if (RANK[actor.operator.role] >= RANK[needed]) return;
  const may = needed === 'owner' ? 'Only an owner may do this' : 'A viewer may look, but not change anything';
  throw new IntercomError(
    'forbidden',
    `${may}; you are signed in as ${actor.operator.name} (${actor.operator.role}).`,
    {
      next: 'Ask an owner, or have your role changed under `operators:` in config.yml.',
    },
  );
}

function bearerOf(request: IncomingMessage): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const found = /^Bearer ([A-Za-z0-9_-]{8,200})$/.exec(header);
  if (found?.[1] === undefined) throw notSignedIn();
  return found[1];
}

function cookieOf(request: IncomingMessage, name: string): string | undefined {
  const header = request.headers.cookie ?? '';
  for (const part of header.split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function notSignedIn(): IntercomError {
  return new IntercomError('unauthorized', 'You are not signed in.', {
    next: 'Open a sign-in link (`intercom login --link` on the hub, or /login in a private chat with the bot).',
  });
}
