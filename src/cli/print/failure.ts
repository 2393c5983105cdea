/** How an error ends on a terminal: what happened in one line, what to do next in one more. */
import { toIntercomError } from '../../protocol/errors.ts';
import { safe } from './style.ts';
import type { Style } from './style.ts';

export interface Failure {
  readonly text: string;
  readonly exitCode: number;
}

/** `json`: the wire form, for scripts. `details`: shows the stack of what should not have happened. */
export function failureText(
  thrown: unknown,
  style: Style,
  options: { readonly json: boolean; readonly details: boolean },
): Failure {
  const error = toIntercomError(thrown);
  const exitCode = error.exitCode;
  if (options.json) return { text: `${JSON.stringify({ error: error.toWire() })}\n`, exitCode };
  const lines = [`${style.red('error:')} ${safe(error.message)}`];
  if (error.next !== undefined) lines.push(`  ${style.dim('next:')} ${safe(error.next)}`);
  if (options.details && error.code === 'internal' && error.cause instanceof Error) lines.push(error.cause.stack ?? '');
  return { text: `${lines.join('\n')}\n`, exitCode };
}
