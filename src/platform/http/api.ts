/**
 * HTTP routes as data: method, path, schemas, who may call. One table makes the Express router, refuses bad input by schema, and is the
 * source of the OpenAPI document.
 *
 * Invariants: a body is read whole, at most HTTP_BODY_MAX, before anything looks at it; then the caller is authenticated (the signature
 * covers the body); then the body is parsed. Every failure leaves as ErrorBody with the status of its code; a failure of ours is logged
 * with an id that the answer names.
 */
import express, { type NextFunction, type Request, type Response, type Router } from 'express';
import { z } from 'zod';
import { newId } from '../../protocol/ids.ts';
import { IntercomError, parseWith, toIntercomError, type ErrorBody } from '../../protocol/errors.ts';
import { HTTP_BODY_MAX } from '../../protocol/limits.ts';
import type { Log } from '../log.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

export interface RouteContext<Auth, Params, Query, Body> {
  readonly auth: Auth;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly request: Request;
  readonly response: Response;
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface RouteSpec<Params, Query, Body, Answer> {
  readonly method: Method;
  /** Express path: `/approvals/:id`. */
  readonly path: string;
  readonly summary: string;
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  readonly answer?: z.ZodType<Answer>;
}

/** A route without its types, for the OpenAPI document. */
export interface RouteFacts {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly schemas: {
    readonly params?: z.ZodType;
    readonly query?: z.ZodType;
    readonly body?: z.ZodType;
    readonly answer?: z.ZodType;
  };
}

/** Says who calls, from the request and its raw body; throws the refusal. */
export type Authenticate<Auth> = (request: Request, body: Buffer) => Auth | Promise<Auth>;

export class Api<Auth> {
  readonly router: Router = express.Router();
  readonly routes: RouteFacts[] = [];
  readonly #authenticate: Authenticate<Auth>;

  constructor(authenticate: Authenticate<Auth>) {
    this.#authenticate = authenticate;
    this.router.use(readBody);
  }

  /**
   * Adds a route. The handler's result is sent as JSON; undefined is sent as 204. `authorize` says whether this caller may use it, before
   * anything of the request is looked at.
   */
  route<Answer, Params = undefined, Query = undefined, Body = undefined>(
    spec: RouteSpec<Params, Query, Body, Answer>,
    handler: (context: RouteContext<Auth, Params, Query, Body>) => Promise<Answer>,
    authorize?: (auth: Auth) => void,
  ): void {
    this.routes.push({ method: spec.method, path: spec.path, summary: spec.summary, schemas: schemasOf(spec) });
    const params = spec.params ?? absent<Params>();
    const query = spec.query ?? absent<Query>();
    const body = spec.body ?? absent<Body>();
    const run = async (request: Request, response: Response): Promise<void> => {
      const raw = rawBody(request);
      const auth = await this.#authenticate(request, raw);
      authorize?.(auth);
      const answer = await handler({
        auth,
        params: parseWith(params, spec.params === undefined ? undefined : request.params, 'path'),
        query: parseWith(query, spec.query === undefined ? undefined : request.query, 'query'),
        body: parseWith(body, spec.body === undefined ? undefined : jsonOf(request, raw), 'body'),
        request,
        response,
        signal: signalOf(request, response),
      });
      if (response.headersSent) return;
      if (answer === undefined) response.status(204).end();
      else sendJson(response, 200, answer);
    };
    const listener = (request: Request, response: Response, next: NextFunction) =>
      void run(request, response).catch(next);
    if (spec.method === 'GET') this.router.get(spec.path, listener);
    else if (spec.method === 'POST') this.router.post(spec.path, listener);
    else if (spec.method === 'PATCH') this.router.patch(spec.path, listener);
    else this.router.delete(spec.path, listener);
  }
}

function schemasOf<P, Q, B, A>(spec: RouteSpec<P, Q, B, A>): RouteFacts['schemas'] {
  return {
    ...(spec.params === undefined ? {} : { params: spec.params }),
    ...(spec.query === undefined ? {} : { query: spec.query }),
    ...(spec.body === undefined ? {} : { body: spec.body }),
    ...(spec.answer === undefined ? {} : { answer: spec.answer }),
  };
}

// Where a spec has no schema the type parameter is `undefined`, and so is the value.
function absent<T>(): z.ZodType<T> {
  return z.custom<T>((value) => value === undefined);
}

const bodies = new WeakMap<Request, Buffer>();

function rawBody(request: Request): Buffer {
  return bodies.get(request) ?? Buffer.alloc(0);
}

/** Reads the body whole, bounded, without looking at it. */
export function readBody(request: Request, _response: Response, next: NextFunction): void {
  if (bodies.has(request)) {
    next();
    return;
  }
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > HTTP_BODY_MAX) {
    next(tooLarge());
    return;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= HTTP_BODY_MAX) chunks.push(chunk);
  });
  request.once('end', () => {
    if (size > HTTP_BODY_MAX) {
      next(tooLarge());
      return;
    }
    bodies.set(request, chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    next();
  });
  request.once('error', (error) =>
    next(new IntercomError('invalid_request', 'The request broke off.', { cause: error })),
  );
}

function tooLarge(): IntercomError {
  return new IntercomError('too_large', `The body is larger than ${HTTP_BODY_MAX / 1024} KiB.`, {
    next: 'Send less at a time; pass large content as a path or a link.',
  });
}

function jsonOf(request: Request, raw: Buffer): unknown {
  if (raw.length === 0) return {};
  const type = request.headers['content-type'] ?? '';
  // A web page can send text/plain or a form anywhere without asking first; JSON it cannot.
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new IntercomError('unsupported_media_type', 'The body must be JSON.', {
      next: 'Send Content-Type: application/json.',
    });
  }
  try {
    const value: unknown = JSON.parse(raw.toString('utf8'));
    return value;
  } catch (error) {
    throw new IntercomError('invalid_request', 'The body is not valid JSON.', {
      next: 'Send one JSON object.',
      cause: error,
    });
  }
}

function signalOf(_request: Request, response: Response): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

function sendJson(response: Response, status: number, value: unknown): void {
  const text = Buffer.from(JSON.stringify(value));
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', text.length);
  response.setHeader('Cache-Control', 'no-store');
  response.end(text);
}

export function sendError(response: Response, error: IntercomError): void {
  const body: ErrorBody = { error: error.toWire() };
  // What is left of a refused body is not read; keeping the connection would hang the next request.
  if (error.code === 'too_large') response.setHeader('Connection', 'close');
  sendJson(response, error.status, body);
}

/** The last two handlers of every app: unknown routes, and all failures. */
export function finishApp(app: express.Express, log: Log): void {
  app.use((request: Request, _response: Response, next: NextFunction) => {
    next(
      new IntercomError('not_found', `There is nothing at ${request.method} ${request.path.slice(0, 100)}.`, {
        next: 'See docs/protocol.md.',
      }),
    );
  });
  app.use((thrown: unknown, request: Request, response: Response, next: NextFunction) => {
    // Half an answer is out already: Express ends the connection.
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = httpError(thrown);
    if (error.code !== 'internal') {
      sendError(response, error);
      return;
    }
    const id = newId('log');
    log.error({ err: thrown, id, method: request.method, path: request.path }, 'a request failed');
    sendError(
      response,
      new IntercomError('internal', error.message, { next: error.next ?? 'Try again.', details: { id } }),
    );
  });
}

/** Express and its router throw their own errors for malformed paths (bad percent-encoding): those are the caller's fault. */
function httpError(thrown: unknown): IntercomError {
  if (thrown instanceof IntercomError) return thrown;
  if (thrown instanceof URIError || (thrown instanceof Error && 'status' in thrown && thrown.status === 400)) {
    return new IntercomError('invalid_request', 'The path cannot be read.', {
      next: 'Percent-encode it correctly.',
      cause: thrown,
    });
  }
  return toIntercomError(thrown);
}

/** An app with the headers and habits that every server of ours has. */
export function newApp(): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  return app;
}
