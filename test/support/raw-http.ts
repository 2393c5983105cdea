/** One HTTP request with exactly these bytes and headers, for tests that must not be helped by a client. */
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface RawRequest {
  readonly url: string;
  readonly method: string;
  /** On the request line as it is, without normalisation. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly socketPath?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The code of an ErrorBody, or undefined. */
  readonly code: string | undefined;
}

export function raw(options: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(options.url);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...(options.socketPath === undefined ? { hostname, port } : { socketPath: options.socketPath }),
      method: options.method,
      path: options.path,
      agent: false,
      headers: {
        ...(options.body === undefined ? {} : { 'content-length': Buffer.byteLength(options.body) }),
        ...options.headers,
      },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, code: codeOf(text) });
      });
    });
    outgoing.end(options.body);
  });
}

function codeOf(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
    const { error } = body;
    if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
    return typeof error.code === 'string' ? error.code : undefined;
  } catch {
    return undefined;
  }
}
