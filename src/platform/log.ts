/** Structured logs (pino, JSON lines on stderr), free of secrets: known secret fields are censored wherever they appear. */
import { destination, pino, stdSerializers } from 'pino';
import type { Logger } from 'pino';
import { errorCode } from './files.ts';

export type Log = Logger;

const SECRET_FIELDS = [
  'secret',
  'token',
  'bot_token',
  'botToken',
  'authorization',
  'cookie',
  'code',
  'claimKey',
  'sealed',
  'key',
];

export interface LogOptions {
  /** trace, debug, info, warn, error, silent. */
  readonly level: string;
  readonly name: string;
}

export function createLog(options: LogOptions): Log {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: { paths, censor: '[secret]' },
      serializers: { err: errorFacts },
    },
    destination({ fd: 2, sync: false }),
  );
}

/** `code` is what somebody signs in or joins with, and censored everywhere; the code of an error says what went wrong, so it goes by another name. */
function errorFacts(error: unknown): unknown {
  const facts: unknown = error instanceof Error ? stdSerializers.errWithCause(error) : error;
  const code = errorCode(error);
  return code === undefined || typeof facts !== 'object' ? facts : { ...facts, errorCode: code };
}

/** A log that goes nowhere, for tests and short commands. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
