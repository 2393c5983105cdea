/**
 * The hooks' side of the local API: agents' hook events, their acknowledgement, and the doorbell.
 *
 * Invariants: a hook never fails loudly. Whatever goes wrong (no key, a body too large, a fault of ours) is answered without a body, so that
 * nothing but what was meant for the agent can come out of its hook; it is counted instead (hook-tally.ts). A doorbell waits without any time-out of ours.
 */
import express, { type Request, type Response, type Router } from 'express';
import type { Log } from '../../platform/log.ts';
import { HTTP_BODY_MAX } from '../../protocol/limits.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { HOOK_OFFER_HEADER } from '../../protocol/local-api.ts';
import type { AgentHooks, Caller, HookAnswer } from '../ports.ts';
import type { HookTally } from './hook-tally.ts';
import { readCaller, type LocalKey } from './local-caller.ts';

const NAME = /^[A-Za-z0-9_-]{1,60}$/;
const OFFER = /^[A-Za-z0-9_-]{1,64}$/;

export interface HookRouterOptions {
  readonly key: LocalKey;
  readonly hooks: AgentHooks;
  readonly hookTally: HookTally;
  readonly log: Log;
}

export function hookRouter(options: HookRouterOptions): Router {
  const { hooks, hookTally, key, log } = options;
  const router = express.Router();
  const quietly =
    (work: (request: Request, response: Response) => Promise<void>) =>
    (request: Request, response: Response): void => {
      work(request, response).catch((thrown: unknown) => {
        const error = toIntercomError(thrown);
        if (error.code === 'internal') hookTally.failed(agentOf(request), eventOf(request), thrown);
        else log.debug({ code: error.code, path: request.path }, 'a hook was refused');
        if (response.headersSent) response.destroy();
        else response.status(error.code === 'unauthorized' ? 401 : 204).end();
      });
    };

  router.post(
    '/local/hook/ack/:offer',
    quietly(async (request, response) => {
      key.check(request);
      const offer = named(request.params.offer, OFFER);
      if (offer !== undefined) await hooks.acknowledge(offer);
      response.status(204).end();
    }),
  );
  router.post(
    '/local/hook/:agent/:event',
    quietly(async (request, response) => {
      key.check(request);
      const agent = named(request.params.agent, NAME);
      const event = named(request.params.event, NAME);
      const body = await bodyOf(request);
      if (typeof body === 'number') hookTally.tooLarge(agentOf(request), eventOf(request), body);
      if (agent === undefined || event === undefined || typeof body === 'number') response.status(204).end();
      else {
        const signal = goneOf(response);
        print(response, await hooks.event({ agent, event, caller: readCaller(request), body, signal }));
      }
    }),
  );
  router.get(
    '/local/doorbell/:agent',
    quietly(async (request, response) => {
      key.check(request);
      const agent = named(request.params.agent, NAME);
      if (agent === undefined) {
        response.status(204).end();
        return;
      }
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const caller = doorbellCaller(request, readCaller(request));
      print(response, await hooks.doorbell({ agent, caller, signal: gone.signal }));
    }),
  );
  return router;
}

function print(response: Response, answer: HookAnswer | undefined): void {
  if (answer === undefined || answer.text === '') {
    response.status(204).end();
    return;
  }
  if (answer.offer !== undefined) response.setHeader(HOOK_OFFER_HEADER, answer.offer);
  const text = Buffer.from(answer.text);
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', text.length);
  response.status(200).end(text);
}

/** Pid and session may stand in the query too, for scripts that cannot set headers. */
function doorbellCaller(request: Request, caller: Caller): Caller {
  const { pid, session } = request.query;
  const number = typeof pid === 'string' && /^[1-9][0-9]{0,9}$/.test(pid) ? Number(pid) : undefined;
  const id = typeof session === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$/.test(session) ? session : undefined;
  return { ...caller, pid: caller.pid ?? number, session: caller.session ?? id };
}

/** Aborts when the hook goes away before it has its answer: the person decided at the terminal, or the agent is gone. */
function goneOf(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function agentOf(request: Request): string {
  return named(request.params.agent, NAME) ?? 'unknown';
}

function eventOf(request: Request): string {
  return named(request.params.event, NAME) ?? request.path.slice(0, 60);
}

function named(text: unknown, form: RegExp): string | undefined {
  return typeof text === 'string' && form.test(text) ? text : undefined;
}

/** The body, or its size when it is larger than a hook's may be; it is read to its end, so that the agent's side sees no broken pipe. */
function bodyOf(request: Request): Promise<string | number> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= HTTP_BODY_MAX) chunks.push(chunk);
    });
    request.once('end', () => resolve(size > HTTP_BODY_MAX ? size : Buffer.concat(chunks).toString('utf8')));
    request.once('error', reject);
    request.once('close', () => reject(new Error('the hook went away')));
  });
}
