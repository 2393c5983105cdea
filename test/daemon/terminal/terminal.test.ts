/** Real pseudo-terminals with shells in them, through a runner as the daemon and watchers have it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Screen } from '../../../src/daemon/terminal/screen.ts';
import { rowText } from '../../../src/daemon/terminal/view.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { AgentTerminal } from '../../../src/daemon/terminal/terminal.ts';
import { WATCHER_BACKLOG_MAX } from '../../../src/protocol/terminal-stream.ts';
import type { TerminalFrame } from '../../../src/protocol/terminal-stream.ts';
import type { RunnerSpec } from '../../../src/protocol/runner-api.ts';
import { isRunning, RunnerRig, until } from '../../support/runner-rig.ts';
import type { Watching } from '../../support/runner-rig.ts';

const rigs: RunnerRig[] = [];

async function terminal(script: string, more: Partial<RunnerSpec> = {}): Promise<RunnerRig> {
  const rig = await RunnerRig.start({
    executable: '/bin/sh',
    argv: ['-c', script],
    runtime: 'terminal',
    cols: 60,
    rows: 12,
    ...more,
  });
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.end();
});

/** The screen as a watcher has it. */
class Seen {
  readonly watching: Watching;
  screen = new Screen({ cols: 60, rows: 12, scrollback: 100 });
  #taken = 0;

  constructor(watching: Watching) {
    this.watching = watching;
  }

  async text(): Promise<string> {
    for (const frame of this.watching.all.slice(this.#taken)) {
      if (frame.frame === 'snapshot') {
        this.screen = new Screen({ cols: frame.cols, rows: frame.rows, scrollback: 100 });
        this.screen.write(Buffer.from(frame.screen));
      } else if (frame.frame === 'output') this.screen.write(frame.bytes);
      else if (frame.frame === 'resized') this.screen.resize(frame.cols, frame.rows);
    }
    this.#taken = this.watching.all.length;
    await this.screen.flushed();
    return this.screen.view().rows.map(rowText).join('\n').trimEnd();
  }

  async shows(what: string): Promise<void> {
    for (let i = 0; i < 500; i += 1) {
      if ((await this.text()).includes(what)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never shown: ${what}\n${await this.text()}`);
  }
}

describe('watching', () => {
  it('two late joiners see the same screen, in colour, and what comes after', async () => {
    const rig = await terminal(`printf '\\033[31mred\\033[0m and \\033[1;4mbold\\033[0m\\r\\n'; exec cat`);
    const first = new Seen(rig.watch('as=one'));
    await first.shows('red and bold');
    const second = new Seen(rig.watch('as=two'));
    await second.shows('red and bold');
    const typist = rig.watch('as=three&write=1');
    await typist.frame('snapshot');
    typist.send({ frame: 'take' });
    expect(await typist.frame('keyboard')).toMatchObject({ you: true, holder: 'three' });
    typist.send({ frame: 'input', data: 'grüße\r' });
    for (const seen of [first, second]) await seen.shows('grüße\ngrüße');
    expect(second.screen.view().rows[0]).toEqual(first.screen.view().rows[0]);
    expect(second.screen.view().rows[0]?.runs[0]).toEqual({ text: 'red', fg: 1 });
  });

  it('only the holder of the keyboard types; who loses it is told; who may only watch cannot take it', async () => {
    const rig = await terminal('exec cat');
    const [one, two, guest] = [rig.watch('as=one&write=1'), rig.watch('as=two&write=1'), rig.watch('as=guest')];
    for (const watching of [one, two, guest]) await watching.frame('snapshot');
    one.send({ frame: 'input', data: 'x' });
    expect((await one.frame('refused')).reason).toMatch(/take it first/);
    one.send({ frame: 'take' });
    expect((await one.frame('keyboard')).you).toBe(true);
    guest.send({ frame: 'take' });
    expect((await guest.frame('refused')).reason).toMatch(/watch/);
    two.send({ frame: 'take' });
    expect(await one.frame('keyboard')).toMatchObject({ you: false, holder: 'two' });
    two.close();
    const free = await one.frame('keyboard');
    expect(free.you).toBe(false);
    expect(free.holder).toBeUndefined();
  });

  it('a new size reaches the program and everybody who watches', async () => {
    const rig = await terminal(`trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done`);
    const watching = rig.watch('as=one&write=1');
    const seen = new Seen(watching);
    await seen.shows('up');
    watching.send({ frame: 'take' });
    watching.send({ frame: 'resize', cols: 70, rows: 20 });
    await seen.shows('20 70');
    expect(watching.all.some((frame) => frame.frame === 'resized' && frame.cols === 70)).toBe(true);
  });

  it('the end is told with its code, also to one who comes after it, and the last output is there', async () => {
    const rig = await terminal('echo the last words; exit 7');
    const exit = await rig.exit();
    expect(exit.code).toBe(7);
    expect(exit.stderr).toContain('the last words');
    const seen = new Seen(rig.watch());
    await seen.shows('the last words');
    expect((await seen.watching.frame('ended')).exitCode).toBe(7);
    expect(readFileSync(join(rig.directory, 'raw.log'), 'utf8')).toContain('the last words');
  });

  it('an agent’s questions to its terminal are answered', async () => {
    const rig = await terminal(`stty raw -echo; printf '\\033[6n'; head -c 6 | od -c | head -1; exec sleep 1000`);
    await new Seen(rig.watch()).shows('033   [   1   ;   1   R');
  });
});

describe('acting through the runner', () => {
  it('looks, and types nothing into a screen that it does not know', async () => {
    const rig = await terminal('echo hello; exec cat');
    const control = await rig.control();
    await control.frame('screen');
    control.send({ frame: 'look', request: 1, lines: 5 });
    expect((await control.reply(1)).lines).toEqual(['hello']);
    control.send({ frame: 'type', request: 2, text: 'do not' });
    expect((await control.reply(2)).outcome).toBe('unknown_screen');
    control.send({ frame: 'look', request: 3, lines: 5 });
    expect((await control.reply(3)).lines).toEqual(['hello']);
  });

  it('seed: children of a terminal are not left alive, wherever they went', async () => {
    const rig = await terminal('setsid sh -c "echo pid \\$\\$; exec sleep 1000" & sleep 1000 & wait');
    const control = await rig.control();
    const seen = new Seen(rig.watch());
    await seen.shows('pid ');
    const pid = Number(/pid (\d+)/.exec(await seen.text())?.[1]);
    expect(isRunning(pid)).toBe(true);
    control.send({ frame: 'stop', graceMs: 500 });
    await rig.exit();
    expect(isRunning(pid)).toBe(false);
    expect(isRunning(rig.agentPid)).toBe(false);
  });
});

/** A watcher that reads when it is told to. */
class SlowSink {
  readonly frames: TerminalFrame[] = [];
  readonly #unread: (() => void)[] = [];
  #waiting = 0;
  most = 0;

  frame(frame: TerminalFrame): void {
    this.frames.push(frame);
  }

  output(bytes: Uint8Array, sent: () => void): void {
    this.#waiting += bytes.length;
    this.most = Math.max(this.most, this.#waiting);
    this.#unread.push(() => {
      this.#waiting -= bytes.length;
      sent();
    });
  }

  waiting(): number {
    return this.#waiting;
  }

  read(): void {
    for (const one of this.#unread.splice(0)) one();
  }
}

describe('a flood', () => {
  it('is bounded everywhere under a watcher that does not read, who then gets a new snapshot that says so', async () => {
    const flood = new AgentTerminal({
      executable: '/bin/sh',
      argv: ['-c', 'exec yes a line that is printed again and again'],
      cwd: '/',
      environment: { PATH: process.env.PATH ?? '' },
      cols: 80,
      rows: 24,
      rawLog: { path: '/dev/null', max: 1024 },
      attended: false,
      clock: systemClock,
    });
    const sink = new SlowSink();
    const watcher = flood.watch({ name: 'slow', mayType: false, sink });
    await until(() => flood.figures.printed > 6 * 1024 * 1024, 'six megabytes');
    // Not read: one snapshot, a bounded backlog, and nothing more.
    expect(watcher.snapshots).toBe(1);
    expect(sink.most).toBeLessThanOrEqual(WATCHER_BACKLOG_MAX + 16);
    expect(flood.figures.mostBacklog).toBeLessThan(512 * 1024);
    sink.read();
    await until(() => watcher.snapshots > 1, 'a new snapshot');
    expect(sink.frames.at(-1)).toMatchObject({ frame: 'snapshot', skipped: true });
    process.kill(-flood.pid, 'SIGKILL');
    await until(() => flood.exit, 'the end');
    flood.dispose();
  });

  it('input that a program does not read is bounded too', async () => {
    const deaf = new AgentTerminal({
      executable: '/bin/sh',
      argv: ['-c', 'stty raw; echo ready; exec sleep 1000'],
      cwd: '/',
      environment: { PATH: process.env.PATH ?? '' },
      cols: 80,
      rows: 24,
      rawLog: { path: '/dev/null', max: 0 },
      attended: false,
      clock: systemClock,
    });
    // Before it has said so, its terminal takes any amount and throws it away.
    await until(() => deaf.figures.printed > 0, 'the raw terminal');
    const part = 'x'.repeat(64 * 1024);
    let taken = 0;
    while (deaf.type(part)) taken += 1;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(20);
    process.kill(-deaf.pid, 'SIGKILL');
    await until(() => deaf.exit, 'the end');
    deaf.dispose();
  });
});
