/**
 * Runners as the daemon has them: processes of their own, found by their records, spoken to over their sockets. Nothing is waited for but
 * what can be seen: a record, a frame, the end of a process.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { writeSpec } from '../../src/daemon/runner/spec.ts';
import { newId } from '../../src/protocol/ids.ts';
import { JournalEntry, RunnerFrame, RunnerRecord, RunnerSpec } from '../../src/protocol/runner-api.ts';
import type { DaemonFrame } from '../../src/protocol/runner-api.ts';
import { TerminalFrame } from '../../src/protocol/terminal-stream.ts';
import type { WatcherFrame } from '../../src/protocol/terminal-stream.ts';
import { bundle } from './bundle.ts';

let program: Promise<string> | undefined;

/** The runner's program, bundled once. */
export function runnerProgram(): Promise<string> {
  program ??= bundle('test/support/runner-entry.ts', 'runner', ['node-pty']);
  return program;
}

/** Looks again until something is there; for what has no event to wait for (files, processes). */
export async function until<T>(look: () => T | undefined | false, what: string): Promise<T> {
  for (let i = 0; i < 2_000; i += 1) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}

export function isRunning(pid: number): boolean {
  try {
    // A zombie is dead.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Frames of one WebSocket, in order, awaited one after the other. */
class Frames<Out, In> {
  readonly all: Out[] = [];
  readonly socket: WebSocket;
  readonly #waiting = new Set<() => void>();
  #next = 0;
  closed = false;

  constructor(socket: WebSocket, parse: (data: Buffer, binary: boolean) => Out) {
    this.socket = socket;
    const wake = (): void => {
      for (const resolve of [...this.#waiting]) resolve();
      this.#waiting.clear();
    };
    socket.on('message', (data: Buffer, binary: boolean) => {
      this.all.push(parse(data, binary));
      wake();
    });
    socket.on('close', () => {
      this.closed = true;
      wake();
    });
    socket.on('error', () => undefined);
  }

  send(frame: In): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The first frame not taken yet that fits; those before it are passed over. */
  async next<T extends Out>(fits: (frame: Out) => frame is T): Promise<T>;
  async next(fits: (frame: Out) => boolean): Promise<Out>;
  async next(fits: (frame: Out) => boolean): Promise<Out> {
    for (;;) {
      while (this.#next < this.all.length) {
        const frame = this.all[this.#next];
        this.#next += 1;
        if (frame !== undefined && fits(frame)) return frame;
      }
      if (this.closed) throw new Error('the connection ended first');
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** What a watcher is sent: frames, and output as bytes with their number. */
export type Watched = TerminalFrame | { readonly frame: 'output'; readonly seq: number; readonly bytes: Buffer };

export class Control extends Frames<RunnerFrame, DaemonFrame> {
  frame<K extends RunnerFrame['frame']>(kind: K): Promise<Extract<RunnerFrame, { frame: K }>> {
    return this.next((frame): frame is Extract<RunnerFrame, { frame: K }> => frame.frame === kind);
  }

  async entry(fits: (entry: JournalEntry) => boolean): Promise<JournalEntry> {
    const found = await this.next(
      (frame): frame is Extract<RunnerFrame, { frame: 'journal' }> => frame.frame === 'journal' && fits(frame.entry),
    );
    return found.entry;
  }

  async reply(request: number): Promise<Extract<RunnerFrame, { frame: 'reply' }>> {
    return this.next(
      (frame): frame is Extract<RunnerFrame, { frame: 'reply' }> =>
        frame.frame === 'reply' && frame.request === request,
    );
  }
}

export class Watching extends Frames<Watched, WatcherFrame> {
  frame<K extends Watched['frame']>(kind: K): Promise<Extract<Watched, { frame: K }>> {
    return this.next((frame): frame is Extract<Watched, { frame: K }> => frame.frame === kind);
  }
}

export class RunnerRig {
  readonly directory: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.child = child;
    this.ended = new Promise((resolve) => child.once('exit', () => resolve()));
  }

  static async start(
    spec: Partial<RunnerSpec> & Pick<RunnerSpec, 'executable' | 'runtime'>,
    folder = mkdtempSync(join(tmpdir(), 'ic-runner-')),
  ): Promise<RunnerRig> {
    const whole = RunnerSpec.parse({
      protocol: 1,
      id: newId('runner'),
      agent: 'test',
      argv: [],
      cwd: folder,
      environment: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' },
      ...spec,
    });
    const directory = join(folder, whole.id);
    await writeSpec(directory, whole);
    const child = spawn(process.execPath, [await runnerProgram(), 'runner', directory], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const rig = new RunnerRig(directory, child);
    await until(() => rig.record?.agentProcess ?? rig.record?.exit, 'the agent started');
    return rig;
  }

  get record(): RunnerRecord | undefined {
    const path = join(this.directory, 'record.json');
    if (!existsSync(path)) return undefined;
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return RunnerRecord.parse(json);
  }

  /** The record once the agent has ended. */
  exit(): Promise<NonNullable<RunnerRecord['exit']>> {
    return until(() => this.record?.exit, 'the exit');
  }

  get agentPid(): number {
    const pid = this.record?.agentProcess?.pid;
    if (pid === undefined) throw new Error('no agent');
    return pid;
  }

  journal(): JournalEntry[] {
    const text = readFileSync(join(this.directory, 'journal.jsonl'), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const json: unknown = JSON.parse(line);
        return JournalEntry.parse(json);
      });
  }

  /** Connects as the daemon does. */
  async control(after = 0): Promise<Control> {
    const control = new Control(this.#socket('/control'), (data) => {
      const json: unknown = JSON.parse(data.toString('utf8'));
      return RunnerFrame.parse(json);
    });
    await control.frame('hello');
    control.send({ frame: 'hello', after });
    return control;
  }

  watch(query = 'as=test&write=1'): Watching {
    return new Watching(this.#socket(`/terminal?${query}`), (data, binary) => {
      if (binary) return { frame: 'output', seq: Number(data.readBigUInt64BE()), bytes: data.subarray(8) };
      const json: unknown = JSON.parse(data.toString('utf8'));
      return TerminalFrame.parse(json);
    });
  }

  /** Opens a socket with any key; resolves to how it was met. */
  async knock(path: string, key: string): Promise<string> {
    const socket = this.#socket(path, key);
    return new Promise((resolve) => {
      socket.once('open', () => resolve('open'));
      socket.once('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
      socket.once('error', () => undefined);
    });
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    await this.ended;
    rmSync(join(this.directory, '..'), { recursive: true, force: true, maxRetries: 3 });
  }

  #socket(path: string, key = this.record?.key ?? ''): WebSocket {
    return new WebSocket(`ws+unix://${this.record?.socket ?? ''}:${path}`, {
      headers: { authorization: `Bearer ${key}` },
      perMessageDeflate: false,
    });
  }
}
