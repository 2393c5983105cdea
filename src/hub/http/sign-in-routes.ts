/** The two calls by which a person becomes known: a one-time code becomes a web session (cookie) or a terminal's token. */
import type { IncomingMessage } from 'node:http';
import { plainIp } from '../joins/daemon-url.ts';
import { Api } from '../../platform/http/api.ts';
import type { RateLimit } from '../../platform/rate-limit.ts';
import { Me, SignIn, TokenIssued } from '../../protocol/operator-api.ts';
import type { HubServices } from '../services.ts';
import { isSecure, type OwnNames } from './hosts.ts';
import type { OperatorAuth } from './operator-auth.ts';

export interface SignInParts {
  readonly services: HubServices;
  readonly auth: OperatorAuth;
  readonly attempts: RateLimit;
  readonly cookies: SessionCookies;
  readonly version: string;
}

export function signInRoutes({ services, auth, attempts, cookies, version }: SignInParts): Api<undefined> {
  const api = new Api((request) => {
    // A page of somebody else must not sign this browser in as somebody else.
    auth.checkPlace(request);
    return undefined;
  });
  api.route(
    { method: 'POST', path: '/sign-in', summary: 'A one-time code becomes a web session', body: SignIn, answer: Me },
    async ({ body, request, response }) => {
      attempts.take(plainIp(request.socket.remoteAddress ?? ''));
      const { token, operator, expiresAt } = await services.operators.redeem(body.code, 'web');
      response.setHeader('Set-Cookie', cookies.set(request, token, expiresAt));
      return { operator, hubVersion: version };
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/login',
      summary: 'A one-time code becomes a token for a terminal',
      body: SignIn,
      answer: TokenIssued,
    },
    async ({ body, request }) => {
      attempts.take(plainIp(request.socket.remoteAddress ?? ''));
      return services.operators.redeem(body.code, 'terminal');
    },
  );
  return api;
}

/** The session cookie: out of reach of scripts, never sent by other sites, and only over https where there is https. */
export class SessionCookies {
  readonly name: string;
  readonly #names: OwnNames;

  /** `instance` keeps the cookies of several hubs on one host apart: browsers do not tell ports apart. */
  constructor(instance: string, names: OwnNames) {
    this.name = `intercom_session_${instance}`;
    this.#names = names;
  }

  set(request: IncomingMessage, token: string, expiresAt: string): string {
    return `${this.name}=${token}; Expires=${new Date(expiresAt).toUTCString()}; ${this.#attributes(request)}`;
  }

  clear(request: IncomingMessage): string {
    return `${this.name}=; Max-Age=0; ${this.#attributes(request)}`;
  }

  #attributes(request: IncomingMessage): string {
    const secure = isSecure(request.headers.host, this.#names) ? '; Secure' : '';
    return `Path=/; HttpOnly; SameSite=Strict${secure}`;
  }
}
