/** What reading usage costs: a first look through gigabytes of transcripts in the background, and then one answer more. */
import { createWriteStream } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaemonStore } from '../src/daemon/store/store.ts';
import { claudeRecords } from '../src/daemon/usage/claude-record.ts';
import { UsageScanner } from '../src/daemon/usage/scanner.ts';
import { systemClock } from '../src/platform/clock.ts';
import { silentLog } from '../src/platform/log.ts';
import { samples, timed, type Figure } from './figures.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 16 * MIB;
const INCREMENTS = 200;
const PROSE =
  'What an agent reads, writes and prints while it works, in lines of ordinary length, with "quotes" and \\ signs.\n';

/** One turn as it stands in a transcript: two answers of two lines each, with a call of a tool, and what the tool printed. */
function turn(session: string, number: number, at: number): string {
  const line = (entry: unknown) => `${JSON.stringify(entry)}\n`;
  const answer = (part: number, output: number, content: unknown) =>
    line({
      parentUuid: `${session}-${number}`,
      isSidechain: false,
      message: {
        model: 'claude-opus-5-5',
        id: `msg_${session}_${number}_${part}`,
        type: 'message',
        role: 'assistant',
        content: [content],
        usage: {
          input_tokens: 4,
          cache_creation_input_tokens: 900,
          cache_read_input_tokens: 60_000 + number,
          output_tokens: output,
          cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 900 },
          speed: 'standard',
        },
      },
      requestId: `req_${session}_${number}_${part}`,
      type: 'assistant',
      uuid: `${session}-${number}-${part}-${output}`,
      timestamp: new Date(at).toISOString(),
      sessionId: session,
    });
  const printed = PROSE.repeat(20 + ((number * 7919) % 280));
  return (
    answer(0, 20, { type: 'text', text: PROSE.repeat(4) }) +
    answer(0, 180, { type: 'tool_use', id: `toolu_${number}`, name: 'Bash', input: { command: PROSE } }) +
    line({
      type: 'user',
      sessionId: session,
      message: { role: 'user', content: [{ type: 'tool_result', content: printed }] },
      toolUseResult: { stdout: printed },
    }) +
    answer(1, 30, { type: 'thinking', thinking: PROSE.repeat(6) }) +
    answer(1, 240, { type: 'text', text: PROSE.repeat(8) })
  );
}

async function fill(projects: string, bytes: number): Promise<number> {
  let requests = 0;
  for (let file = 0; file * FILE_BYTES < bytes; file += 1) {
    const directory = join(projects, `-home-me-project-${file % 12}`);
    await mkdir(directory, { recursive: true });
    const session = `session-${file}`;
    const out = createWriteStream(join(directory, `${session}.jsonl`));
    for (let written = 0, number = 0; written < FILE_BYTES; number += 1) {
      const text = turn(session, number, Date.now() - ((file * 37 + number) % 28_000) * 60_000);
      written += Buffer.byteLength(text);
      requests += 2;
      if (!out.write(text)) await once(out, 'drain');
    }
    out.end();
    await once(out, 'close');
  }
  return requests;
}

interface Rig {
  readonly scanner: UsageScanner;
  readonly store: DaemonStore;
  readonly told: () => Promise<void>;
}

function rigOf(root: string): Rig {
  const store = new DaemonStore({ file: join(root, 'daemon.db'), clock: systemClock, log: silentLog() });
  let tell: () => void = () => undefined;
  const scanner = new UsageScanner({
    sources: [claudeRecords(join(root, '.claude'))],
    store: store.usage,
    clock: systemClock,
    log: silentLog(),
    onUse: () => tell(),
    onLimits: () => undefined,
    onProgress: () => undefined,
  });
  return { scanner, store, told: () => new Promise((resolve) => void (tell = resolve)) };
}

export async function usageFigures(quick: boolean): Promise<Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'bench-usage-'));
  const bytes = (quick ? 64 : 2048) * MIB;
  try {
    const requests = await fill(join(root, '.claude', 'projects'), bytes);
    const { scanner, store, told } = rigOf(root);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    // What the machine itself does to a process that does nothing.
    delay.enable();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    delay.disable();
    const idleP99 = delay.percentile(99) / 1e6;
    delay.reset();
    const rssBefore = process.memoryUsage().rss;
    let rssPeak = rssBefore;
    const watch = setInterval(() => (rssPeak = Math.max(rssPeak, process.memoryUsage().rss)), 50);
    delay.enable();
    const cpuBefore = process.cpuUsage();
    const scanMs = await timed(async () => {
      await scanner.sweep();
      await scanner.idle();
    });
    const cpu = process.cpuUsage(cpuBefore);
    delay.disable();
    clearInterval(watch);
    const counted = (await store.usage.hours('claude')).length;
    const path = join(root, '.claude', 'projects', '-home-me-project-0', 'session-0.jsonl');
    const increments: number[] = [];
    const incrementCpu = process.cpuUsage();
    for (let number = 0; number < INCREMENTS; number += 1) {
      await appendFile(path, turn('session-0', 1_000_000 + number, Date.now()));
      increments.push(
        await timed(async () => {
          const heard = told();
          scanner.touch(path);
          await heard;
        }),
      );
    }
    const used = process.cpuUsage(incrementCpu);
    await scanner.stop();
    await store.close();
    const size = `${(bytes / MIB).toLocaleString('en')} MiB`;
    return [
      {
        what: `usage: first look through ${size} (${requests.toLocaleString('en')} requests, ${counted} hours)`,
        value: scanMs / 1000,
        unit: 's',
      },
      { what: 'usage: processor time of it', value: (cpu.user + cpu.system) / 1_000_000, unit: 's' },
      {
        what: 'usage: share of one core meanwhile',
        budget: 50,
        value: (cpu.user + cpu.system) / 10 / scanMs,
        unit: '%',
      },
      { what: 'usage: event loop held up meanwhile, p99', value: delay.percentile(99) / 1e6, unit: 'ms' },
      { what: 'usage: event loop held up before, doing nothing, p99', value: idleP99, unit: 'ms' },
      { what: 'usage: event loop held up meanwhile, longest', value: delay.max / 1e6, unit: 'ms' },
      { what: 'usage: memory more than before, peak', value: (rssPeak - rssBefore) / MIB, unit: 'MiB' },
      { what: 'usage: one turn more, noticed → stored', budget: 20, value: samples(increments).p50, unit: 'ms' },
      {
        what: 'usage: processor time of one turn more',
        value: (used.user + used.system) / 1000 / INCREMENTS,
        unit: 'ms',
      },
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
