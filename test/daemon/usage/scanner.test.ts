import { appendFileSync, copyFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LINE_MAX } from '../../../src/daemon/usage/appended.ts';
import { KEPT_MS } from '../../../src/daemon/store/usage.ts';
import { answer, toolResult, totals, UsageRig } from './transcripts.ts';

let rig: UsageRig;
beforeEach(() => {
  rig = new UsageRig();
});
afterEach(() => rig.end());

describe('what was added to a transcript', () => {
  it('counts once a message that stands in several lines, with its last figures', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ id: 'a', input: 3, output: 1 }) + answer({ id: 'a', input: 3, output: 40 }));
    await rig.read();
    rig.write(path, answer({ id: 'a', input: 3, output: 90 }) + answer({ id: 'b', input: 7, output: 2 }));
    await rig.read();
    expect(totals(await rig.sum())).toEqual([10, 92, 0, 0]);
  });

  it('counts once an answer that is written over a full hour', async () => {
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    rig.write(rig.transcript(), answer({ id: 'a', output: 1, at: hour - 1_000 }));
    await rig.read();
    rig.write(rig.transcript(), answer({ id: 'a', output: 9, at: hour }));
    await rig.read();
    expect(totals(await rig.sum())).toEqual([10, 9, 0, 0]);
  });

  it('seed: every transcript was read again each minute; now only what was added is', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ id: 'a' }) + toolResult('x'.repeat(3_000_000)));
    await rig.read();
    const before = await rig.store.usage.file(path);
    rig.write(path, answer({ id: 'b' }));
    await rig.read();
    const after = await rig.store.usage.file(path);
    expect(after?.cursor.offset).toBeGreaterThan(before?.cursor.offset ?? 0);
    expect(totals(await rig.sum())).toEqual([20, 10, 0, 0]);
    // Nothing has grown: nothing is told.
    rig.told.length = 0;
    await rig.read();
    expect(rig.told).toEqual([]);
  });

  it('seed: the context was the cache reads of the last 64 KB over 200,000, for any model', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ input: 1_000, cacheRead: 180_000, cacheWrite: 9_000, output: 2_000 }));
    rig.write(path, answer({ sidechain: true, cacheRead: 5 }) + toolResult('x'.repeat(100_000)));
    await rig.read();
    expect(await rig.sum()).toMatchObject({ context: 192_000, window: 1_000_000, model: 'claude-opus-5-5' });
    // After a compaction there is less.
    rig.write(path, answer({ input: 20_000, output: 100 }));
    await rig.read();
    expect(await rig.sum()).toMatchObject({ context: 20_100 });
  });

  it('a prompt over the usual window proves the large one, and the session keeps it', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ model: 'claude-sonnet-4-6', input: 190_000 }));
    await rig.read();
    expect(await rig.sum()).toMatchObject({ window: 200_000 });
    rig.write(path, answer({ model: 'claude-sonnet-4-6', input: 400_000 }));
    await rig.read();
    rig.write(path, answer({ model: 'claude-sonnet-4-6', input: 30_000 }));
    await rig.read();
    expect(await rig.sum()).toMatchObject({ context: 30_005, window: 1_000_000 });
    rig.write(path, answer({ model: 'claude-haiku-4-5-20251001', input: 30_000 }));
    await rig.read();
    expect(await rig.sum()).toMatchObject({ window: 200_000 });
  });

  it('subagents count for their session, their context does not', async () => {
    rig.write(rig.transcript(), answer({ input: 100 }));
    rig.write(
      join(dirname(rig.transcript()), 'session-1', 'subagents', 'agent-x.jsonl'),
      answer({ sidechain: true, input: 7_000 }),
    );
    await rig.read();
    expect(await rig.sum()).toMatchObject({ input: 7_100, context: 105 });
  });

  it.each(['the fork is read first', 'the original is read first'])(
    'a fork does not count what it copied: %s',
    async (order) => {
      const copied = [answer({ id: 'a', input: 50 }), answer({ id: 'b', input: 60 })].join('');
      const original = rig.transcript('original');
      const fork = rig.transcript('forked-1');
      rig.write(original, copied);
      // It is the older one.
      utimesSync(original, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
      rig.write(fork, copied + answer({ id: 'c', session: 'forked-1', input: 1 }));
      const first = order.startsWith('the fork') ? fork : original;
      rig.scanner.touch(first);
      await rig.scanner.idle();
      await rig.read();
      expect((await rig.sum('original')).input).toBe(110);
      expect((await rig.sum('forked-1')).input).toBe(1);
      expect((await rig.store.usage.hours('claude')).map(({ input }) => input)).toEqual([111]);
    },
  );

  it('2.1.329 says whose request a copied line was', async () => {
    rig.write(rig.transcript('forked-1'), answer({ session: 'forked-1', from: 'original', input: 50 }));
    rig.write(rig.transcript('forked-1'), answer({ session: 'forked-1', input: 3 }));
    await rig.read();
    expect((await rig.sum('original')).input).toBe(50);
    expect(await rig.sum('forked-1')).toMatchObject({ input: 3, context: 8 });
  });

  it.each([
    ['cut off and written anew', 77, (path: string) => truncateSync(path, 0)],
    ['replaced by another file', 77, (path: string) => rmSync(path)],
    [
      'replaced by one that goes on otherwise',
      107,
      (path: string) => {
        writeFileSync(`${path}.new`, answer({ id: 'other', input: 30 }));
        renameSync(`${path}.new`, path);
      },
    ],
  ])('a file that was %s is read from its beginning, and nothing counts twice', async (_what, expected, change) => {
    const path = rig.transcript();
    const first = answer({ id: 'a', input: 11 });
    rig.write(path, first + answer({ id: 'b', input: 22 }));
    await rig.read();
    change(path);
    rig.write(path, first + answer({ id: 'c', input: 44 }));
    rig.scanner.touch(path);
    await rig.scanner.idle();
    expect((await rig.sum()).input).toBe(expected);
  });

  it('a file that was written anew with more in it is noticed', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ id: 'a', input: 1 }));
    await rig.read();
    writeFileSync(path, answer({ id: 'long', input: 10, text: 'y'.repeat(500) }) + answer({ id: 'd', input: 100 }));
    rig.scanner.touch(path);
    await rig.scanner.idle();
    expect((await rig.sum()).input).toBe(111);
  });

  it('a line longer than any answer is passed over, also over a restart in its middle', async () => {
    const path = rig.transcript();
    rig.write(path, answer({ id: 'a', input: 1 }) + `{"usage":"${'z'.repeat(LINE_MAX + 1_000_000)}`);
    await rig.read();
    expect((await rig.store.usage.file(path))?.cursor).toMatchObject({ passing: true, passed: 1 });
    await rig.restart();
    rig.write(path, `zzz"}\n${answer({ id: 'b', input: 2 })}`);
    await rig.read();
    expect((await rig.sum()).input).toBe(3);
    expect((await rig.store.usage.file(path))?.cursor).toMatchObject({ passing: false, passed: 1 });
  });

  it('reads nothing but records, and nothing of what is too old to count', async () => {
    const old = rig.transcript('long-ago');
    rig.write(old, answer());
    utimesSync(old, new Date(Date.now() - 2 * KEPT_MS), new Date(Date.now() - 2 * KEPT_MS));
    rig.write(rig.transcript(), answer({ input: 5 }) + answer({ at: Date.now() - 2 * KEPT_MS, input: 900 }));
    rig.write(rig.transcript(), 'no JSON with "usage" and "assistant"\n{"type":"assistant","message":{"usage":7}}\n');
    copyFileSync(rig.transcript(), join(dirname(rig.transcript()), 'notes.txt'));
    await rig.read();
    expect((await rig.sum()).input).toBe(5);
    expect(await rig.store.usage.session('long-ago')).toBeUndefined();
  });

  it('tells how far the first look is, and that it is through', async () => {
    rig.write(rig.transcript(), answer());
    expect(rig.scanner.scanning('claude')).toBeUndefined();
    await rig.scanner.sweep();
    expect(rig.scanner.scanning('claude')?.total).toBeGreaterThan(100);
    expect(rig.scanner.scanning('codex')).toBeUndefined();
    await rig.scanner.idle();
    expect(rig.scanner.scanning('claude')).toBeUndefined();
  });
});

/** A conversation: messages in one to three lines with growing output, between what tools printed. */
const conversation = fc
  .array(
    fc.record({
      input: fc.nat(5_000),
      outputs: fc.array(fc.nat(900), { minLength: 1, maxLength: 3 }).map((list) => list.sort((a, b) => a - b)),
      tool: fc.string({ maxLength: 200 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((messages) => ({
    text: messages
      .map(({ input, outputs, tool }, index) =>
        [
          ...outputs.map((output) => answer({ id: `m${index}`, input, output, text: 'é "usage"' })),
          toolResult(tool),
        ].join(''),
      )
      .join(''),
    totals: [
      messages.reduce((sum, { input }) => sum + input, 0),
      messages.reduce((sum, { outputs }) => sum + (outputs.at(-1) ?? 0), 0),
      0,
      0,
    ],
  }));

describe('in whatever pieces a transcript is written and read', () => {
  it('the sums are the same, also when the daemon ends at any of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        conversation,
        fc.array(fc.nat(4_000), { maxLength: 6 }),
        fc.nat(),
        async (spoken, cuts, kill) => {
          const own = new UsageRig();
          try {
            const bytes = Buffer.from(spoken.text);
            const edges = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b);
            let from = 0;
            for (const [index, edge] of edges.entries()) {
              own.write(own.transcript(), bytes.subarray(from, edge));
              from = edge;
              own.scanner.touch(own.transcript());
              if (index === kill % edges.length) await own.restart();
              else await own.scanner.idle();
            }
            await own.read();
            expect(totals(await own.sum())).toEqual(spoken.totals);
            // Reading everything again from the beginning changes nothing.
            appendFileSync(own.transcript('copied-1'), bytes);
            await own.read();
            const hours = await own.store.usage.hours('claude');
            expect(hours.reduce((sum, { input }) => sum + input, 0)).toBe(spoken.totals[0]);
          } finally {
            await own.end();
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});
