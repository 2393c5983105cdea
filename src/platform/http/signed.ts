/** Authentication of signed requests for an Api: the same on the hub (machines call) and on the daemon (the hub calls). */
import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { NonceMemory, readSignatureHeaders, verifySignature } from '../../protocol/signing.ts';
import type { Clock } from '../clock.ts';
import type { Authenticate } from './api.ts';

/** The authenticated sender of a signed request. */
export interface SignedBy {
  readonly machine: string;
}

/**
 * `secretsOf` gives the secrets that are valid for a sender now; it throws `unknown_machine` or `revoked`.
 * The nonces are remembered per Authenticate, so share one among all routers of a server (or hand in the memory that they share).
 */
export function signedBy(
  secretsOf: (machine: string) => readonly string[],
  clock: Clock,
  nonces = new NonceMemory(),
): Authenticate<SignedBy> {
  return (request: Request, body: Buffer) => {
    const headers = readSignatureHeaders((name) => request.get(name));
    const secrets = secretsOf(headers.machine);
    verifySignature(headers, { method: request.method, path: request.originalUrl, body }, secrets, nonces, clock.now());
    return { machine: headers.machine };
  };
}

/** The same for a WebSocket's upgrade request, which has no body. */
export function signedUpgrade(
  secretsOf: (machine: string) => readonly string[],
  clock: Clock,
  nonces: NonceMemory,
): (request: IncomingMessage) => SignedBy {
  return (request) => {
    const headers = readSignatureHeaders((name) => {
      const value = request.headers[name.toLowerCase()];
      return typeof value === 'string' ? value : undefined;
    });
    const path = request.url ?? '';
    const signed = { method: request.method ?? '', path, body: new Uint8Array() };
    verifySignature(headers, signed, secretsOf(headers.machine), nonces, clock.now());
    return { machine: headers.machine };
  };
}
