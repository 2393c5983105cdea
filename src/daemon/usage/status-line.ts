/**
 * What Claude Code tells its status line command on stdin (seen with 2.1.329 and 2.1.197), where hooks/intercom-statusline.sh passes it on: the window of the session for certain, and for
 * accounts with a subscription the provider's own percentages, which nothing else tells.
 */
import { z } from 'zod';
import { isSessionId } from '../../protocol/address.ts';
import type { ProviderLimit, ProviderLimits } from './use.ts';

const Limit = z
  .looseObject({
    used_percentage: z.number().min(0).max(1000),
    /** Seconds since 1970, or a time. */
    resets_at: z.union([z.number().positive(), z.iso.datetime({ offset: true })]),
  })
  .nullish()
  .catch(undefined);

const Payload = z.looseObject({
  session_id: z.string().refine(isSessionId),
  context_window: z.looseObject({ context_window_size: z.number().int().positive() }).nullish().catch(undefined),
  rate_limits: z.looseObject({ five_hour: Limit, seven_day: Limit }).nullish().catch(undefined),
});

export interface StatusLine {
  readonly session: string;
  readonly window: number | undefined;
  readonly limits: ProviderLimits | undefined;
}

export function readStatusLine(payload: unknown): StatusLine | undefined {
  const { data } = Payload.safeParse(payload);
  if (data === undefined) return undefined;
  const block = limitOf(data.rate_limits?.five_hour);
  const week = limitOf(data.rate_limits?.seven_day);
  return {
    session: data.session_id,
    window: data.context_window?.context_window_size,
    limits: block === undefined && week === undefined ? undefined : { block, week },
  };
}

function limitOf(limit: z.infer<typeof Limit>): ProviderLimit | undefined {
  if (limit === undefined || limit === null) return undefined;
  const { resets_at: reset, used_percentage: usedPercent } = limit;
  return { usedPercent, resetsAt: typeof reset === 'number' ? reset * 1000 : Date.parse(reset) };
}
