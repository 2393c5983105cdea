/** The refusal of a WebSocket before it is one, in the form of every other refusal. */
import type { Duplex } from 'node:stream';
import type { Log } from '../../platform/log.ts';
import { toIntercomError, type ErrorBody } from '../../protocol/errors.ts';

export function refuseUpgrade(socket: Duplex, thrown: unknown, log: Log, what: string): void {
  const error = toIntercomError(thrown);
  if (error.code === 'internal') log.error({ err: thrown }, what);
  const body = JSON.stringify({ error: error.toWire() } satisfies ErrorBody);
  socket.end(
    [
      `HTTP/1.1 ${error.status} Refused`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
