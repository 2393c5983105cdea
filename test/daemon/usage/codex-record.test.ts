import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import { totals, UsageRig } from './transcripts.ts';

const THREAD = '01a22759-5368-7151-888c-463a349f617c';
const OTHER = '01a22759-5368-7151-888c-463a349f6180';
const NOW = new Date().toISOString();

/** As 0.169.0 writes them, cut to what matters. */
const line = (type: string, payload: unknown) => `${JSON.stringify({ timestamp: NOW, ordinal: 1, type, payload })}\n`;
const usage = (input: number, cached: number, output: number) => ({
  input_tokens: input,
  cached_input_tokens: cached,
  cache_write_input_tokens: 0,
  output_tokens: output,
  reasoning_output_tokens: 0,
  total_tokens: input + output,
});
const turn = line('turn_context', { turn_id: 't', cwd: '/x', model: 'gpt-5-codex' });
const record = (id: string, used: ReturnType<typeof usage>, thread = THREAD) =>
  line('token_usage_record', { thread_id: thread, turn_id: 't', session_id: thread, response_id: id, usage: used });
const count = (total: ReturnType<typeof usage>, last: ReturnType<typeof usage>, limits: unknown = {}) =>
  line('event_msg', {
    type: 'token_count',
    info: { total_token_usage: total, last_token_usage: last, model_context_window: 258_400 },
    rate_limits: { limit_id: 'codex', primary: null, secondary: null, ...(typeof limits === 'object' ? limits : {}) },
  });

let rig: UsageRig;
beforeEach(() => {
  rig = new UsageRig();
});
afterEach(() => rig.end());
const rollout = (thread = THREAD) =>
  join(rig.codex, 'sessions', '2026', '11', '29', `rollout-2026-11-29T12-48-15-${thread}.jsonl`);

describe('Codex’ rollout', () => {
  it('tells each response, its window, and what it costs', async () => {
    rig.write(rollout(), turn + record('r1', usage(1_000, 0, 50)) + count(usage(1_000, 0, 50), usage(1_000, 0, 50)));
    await rig.read();
    rig.write(rollout(), record('r2', usage(3_000, 900, 70)) + count(usage(4_000, 900, 120), usage(3_000, 900, 70)));
    await rig.read();
    const sum = await rig.sum(THREAD);
    expect(totals(sum)).toEqual([3_100, 120, 900, 0]);
    expect(sum).toMatchObject({ agent: 'codex', model: 'gpt-5-codex', context: 3_070, window: 258_400 });
    expect(sum.costUsd).toBeCloseTo((3_100 * 1.25 + 900 * 0.125 + 120 * 10) / 1e6, 9);
  });

  it('a fork’s copies belong to the thread that they name', async () => {
    const first = record('r1', usage(1_000, 0, 50));
    rig.write(rollout(), turn + first);
    rig.write(rollout(OTHER), turn + first + record('r2', usage(10, 0, 1), OTHER));
    await rig.read();
    expect(totals(await rig.sum(THREAD))).toEqual([1_000, 50, 0, 0]);
    expect(totals(await rig.sum(OTHER))).toEqual([10, 1, 0, 0]);
  });

  it('of versions that write running totals only, each new total is a request', async () => {
    const one = count(usage(100, 0, 5), usage(100, 0, 5));
    rig.write(rollout(), turn + one + one);
    await rig.read();
    rig.write(rollout(), one + count(usage(300, 50, 15), usage(200, 50, 10)));
    await rig.read();
    expect(totals(await rig.sum(THREAD))).toEqual([250, 15, 50, 0]);
  });

  it('tells the limits of the account', async () => {
    const resets = Math.floor(Date.now() / 1000) + 3_600;
    rig.write(
      rollout(),
      count(usage(1, 0, 1), usage(1, 0, 1), {
        primary: { used_percent: 12.5, window_minutes: 300, resets_at: resets },
        secondary: { used_percent: 40, window_minutes: 10_080, resets_at: resets + 1 },
      }),
    );
    await rig.read();
    expect(rig.limits).toEqual([
      {
        block: { usedPercent: 12.5, resetsAt: resets * 1000 },
        week: { usedPercent: 40, resetsAt: (resets + 1) * 1000 },
      },
    ]);
  });
});
