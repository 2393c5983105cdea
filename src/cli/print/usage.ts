/** What sessions and machines used, as a person reads it. */
import type { MachineUsage, SessionUsage, Tokens, UsageSpan } from '../../protocol/attention.ts';
import { contextPercent } from '../attention/rows.ts';
import { bytes, relative } from './time.ts';

/** "120k of 200k (60%) · $1.20 · claude-opus-4-5". */
export function usageWords(usage: SessionUsage): string {
  const percent = contextPercent(usage);
  const { contextTokens, contextWindow, costUsd, model } = usage;
  const window = contextWindow === undefined ? '' : ` of ${tokens(contextWindow)}`;
  const context =
    contextTokens === undefined
      ? undefined
      : `${tokens(contextTokens)}${window}${percent === undefined ? '' : ` (${percent}%)`} in its context`;
  return [context, costUsd === undefined ? undefined : dollars(costUsd), model]
    .filter((one) => one !== undefined)
    .join(' · ');
}

/** "5 hours: 62% · $4.10, resets in 2 h". */
export function spanWords(span: UsageSpan, name: string, now: number): string {
  const used =
    span.usedPercent === undefined ? `${tokens(sum(span.tokens))} tokens` : `${Math.round(span.usedPercent)}%`;
  const cost = span.costUsd === undefined ? '' : ` · ${dollars(span.costUsd)}`;
  // The last seven days end now; nothing of them is reset.
  const reset = Date.parse(span.end) - now < 60_000 ? '' : `, resets ${relative(span.end, now)}`;
  return `${name}: ${used}${cost}${reset}`;
}

/** One line for a machine: block, week, and how far the first look is. */
export function machineWords(usage: MachineUsage, now: number): string {
  const { block, week, scanning } = usage;
  const parts = [
    ...(block === undefined ? [] : [spanWords(block, '5 hours', now)]),
    ...(week === undefined ? [] : [spanWords(week, 'week', now)]),
    ...(scanning === undefined ? [] : [scanWords(scanning)]),
  ];
  return parts.length === 0 ? 'nothing is under way' : parts.join(' · ');
}

function scanWords({ read, total }: { readonly read: number; readonly total: number }): string {
  const percent = total === 0 ? 0 : Math.floor((read / total) * 100);
  return `still reading: ${bytes(read)} of ${bytes(total)} (${percent}%)`;
}

/** "850", "12k", "1.4M". */
export function tokens(count: number): string {
  if (count < 1_000) return String(count);
  return count < 1_000_000 ? `${Math.round(count / 1_000)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

export function sum({ input, output, cacheRead, cacheWrite }: Tokens): number {
  return input + output + cacheRead + cacheWrite;
}

export function dollars(usd: number): string {
  return `$${usd.toFixed(2)}`;
}
