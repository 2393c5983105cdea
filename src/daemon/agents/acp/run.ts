/**
 * The bridge as a process: `intercom acp-agent <bridge.json> -- <agent> [arguments …]`, started by a runner in the place of the agent itself.
 *
 * Invariants: it lives exactly as long as the agent (in the same process group, so that whoever ends one ends both); its end of the agent's input closes with it;
 * the hook token leaves it in a header only.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { RUNNER_ENVIRONMENT } from '../../../protocol/runner-api.ts';
import { clashMs } from '../gemini/record-clash.ts';
import { AcpBridge } from './bridge.ts';
import { BridgeConfig } from './lines.ts';
import { Lines } from './rpc.ts';

/** For an agent to end by itself. */
const POLITE_MS = 3000;

export interface AcpRunOptions {
  /** `bridge.json`. */
  readonly file: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  onSignal(signal: 'SIGINT' | 'SIGTERM', listener: () => void): void;
}

/** Resolves with the exit status when the agent has ended. */
export async function runAcpAgent(options: AcpRunOptions): Promise<number> {
  const config = BridgeConfig.parse(JSON.parse(readFileSync(options.file, 'utf8')));
  if (config.resume !== undefined && config.geminiDir !== undefined) {
    const wait = await clashMs(config.geminiDir, config.resume, Date.now());
    if (wait > 0) {
      options.stdout.write(
        `${JSON.stringify({ event: 'note', text: 'Waits for the next minute to load the session.' })}\n`,
      );
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  const child = spawn(options.command, options.args, {
    cwd: config.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      options.stdout.write(
        `${JSON.stringify({ event: 'failed', text: `It could not be started: ${error.message}` })}\n`,
      );
      resolve(127);
    });
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
  // It may end while we write; `close` tells of that.
  child.stdin.on('error', () => undefined);
  const bridge = new AcpBridge({
    config,
    env: options.env,
    toAgent: (line) => child.stdin.write(line),
    print: (line) => options.stdout.write(`${JSON.stringify(line)}\n`),
    hook: (event, payload) => callHook(options.env, event, payload),
  });
  const fromAgent = new Lines((line) => bridge.fromAgent(line));
  child.stdout.on('data', (chunk: Buffer) => fromAgent.push(chunk));
  void ended.then(() => bridge.agentGone());

  const asked = new AbortController();
  const stop = () => {
    asked.abort();
    // With the end of its input it ends by itself and writes down its session; a signal would cut that off.
    child.stdin.end();
    setTimeout(() => child.kill('SIGTERM'), POLITE_MS).unref();
  };
  options.onSignal('SIGINT', () => bridge.interrupt());
  options.onSignal('SIGTERM', stop);

  const opened = await bridge.open();
  if (opened) {
    const input = new Lines((line) => bridge.take(line));
    options.stdin.on('data', (chunk: string | Buffer) => input.push(Buffer.from(chunk)));
    options.stdin.once('end', () => {
      input.end();
      void bridge.finish().then(stop);
    });
  } else {
    stop();
  }
  const code = await ended;
  if (asked.signal.aborted) return bridge.failed ? 1 : 0;
  return code === 0 ? 1 : code;
}

/** No time-out: a person decides in their own time, and the runner ends the call when the agent is gone. */
function callHook(env: NodeJS.ProcessEnv, event: string, payload: unknown): Promise<string | undefined> {
  const url = env[RUNNER_ENVIRONMENT.hookUrl];
  const token = env[RUNNER_ENVIRONMENT.hookToken];
  if (url === undefined || token === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const call = request(
      `${url}/${event}`,
      { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.once('end', () =>
          resolve(response.statusCode === 200 ? Buffer.concat(parts).toString('utf8') : undefined),
        );
        response.once('error', () => resolve(undefined));
      },
    );
    call.once('error', () => resolve(undefined));
    call.end(JSON.stringify(payload));
  });
}
