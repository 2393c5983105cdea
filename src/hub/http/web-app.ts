/**
 * The web app's files, from the folder that the build made.
 *
 * Invariants: only files that were found in the folder when it was listed can be served; a path of a request is looked up in that list and never
 * joined to a folder, so no spelling of `..` leads anywhere. Links inside the folder are not followed. Every answer carries the security headers.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { NextFunction, Request, Response } from 'express';
import type { Clock } from '../../platform/clock.ts';
import { isMissing } from '../../platform/files.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
const FILES_MAX = 2_000;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** A folder that lacks a file is listed again at most this often: the app may have been built meanwhile. */
const LIST_AGAIN_MS = 1_000;

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>intercom</title>
<h1>The hub runs</h1><p>Its web app was not built yet. In the folder of intercom run <code>npm run build</code>, then reload this page.</p>
<p>Until then the command line does everything: <code>intercom status</code>, <code>intercom approvals</code>.</p></html>
`;

export class WebApp {
  readonly #folder: string;
  readonly #clock: Clock;
  #files: ReadonlyMap<string, string> = new Map();
  #listedAt: number | undefined;

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** The Express handler; passes on what is not a file of the app. */
  readonly handler = (request: Request, response: Response, next: NextFunction): void => {
    if (request.method !== 'GET' && request.method !== 'HEAD') next();
    else this.#serve(request, response, next).catch(next);
  };

  async #serve(request: Request, response: Response, next: NextFunction): Promise<void> {
    const path = request.path === '/' ? '/index.html' : request.path;
    const file = await this.#find(path);
    if (file === undefined) {
      if (path === '/index.html') send(response, 200, 'text/html; charset=utf-8', 'no-cache', Buffer.from(NOT_BUILT));
      else next();
      return;
    }
    const content = await contentOf(file);
    if (content === undefined) {
      this.#listedAt = undefined;
      next();
      return;
    }
    const type = TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream';
    // Names under assets/ carry the hash of their content.
    const caching = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    send(response, 200, type, caching, content);
  }

  async #find(path: string): Promise<string | undefined> {
    const found = this.#files.get(path);
    if (found !== undefined) return found;
    const now = this.#clock.monotonic();
    if (this.#listedAt !== undefined && now - this.#listedAt < LIST_AGAIN_MS) return undefined;
    this.#listedAt = now;
    this.#files = await listed(this.#folder);
    return this.#files.get(path);
  }
}

/** The headers of every answer: no scripts but ours, no frames, no hints for other sites. */
export function securityHeaders(request: Request, response: Response, next: NextFunction): void {
  // Older Safari does not count a WebSocket to the same host as 'self'.
  const host = request.headers.host ?? '';
  const sockets = /^[A-Za-z0-9.:[\]-]{1,260}$/.test(host) ? ` ws://${host} wss://${host}` : '';
  response.setHeader(
    'Content-Security-Policy',
    [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      "font-src 'self'",
      `connect-src 'self'${sockets}`,
      "manifest-src 'self'",
      "worker-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Permissions-Policy', 'camera=(), geolocation=(), microphone=(self)');
  next();
}

/** URL path → file, for every plain file below the folder. */
async function listed(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      if (files.size >= FILES_MAX) return;
      const path = `${below}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile() && !entry.name.startsWith('.')) files.set(encodeURI(path), join(folder, path));
    }
  };
  try {
    await walk('');
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return files;
}

async function contentOf(file: string): Promise<Buffer | undefined> {
  try {
    if ((await stat(file)).size > FILE_BYTES_MAX) return undefined;
    return await readFile(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function send(response: Response, status: number, type: string, caching: string, content: Buffer): void {
  response.statusCode = status;
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', content.length);
  response.setHeader('Cache-Control', caching);
  if (response.req.method === 'HEAD') response.end();
  else response.end(content);
}
