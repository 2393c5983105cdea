/** `intercom mcp-server` as a process, driven by the real MCP client or line by line. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

const ErrorShape = z.object({
  code: z.string(),
  message: z.string(),
  retry: z.boolean(),
  next: z.string().optional(),
  field: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

export interface ToolOutcome {
  readonly isError: boolean;
  readonly text: string;
  readonly data: Record<string, unknown>;
  readonly error: z.infer<typeof ErrorShape> | undefined;
}

export interface McpHandle {
  readonly client: Client;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolOutcome>;
  close(): Promise<void>;
}

interface CallOptions {
  readonly meta?: Record<string, unknown>;
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: {
    progress: number;
    total?: number | undefined;
    message?: string | undefined;
  }) => void;
}

export async function startMcp(
  script: string,
  env: Record<string, string>,
  clientName = 'test-client',
  cwd = process.cwd(),
): Promise<McpHandle> {
  const client = new Client({ name: clientName, version: '1.0.0' });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [script],
    env: { PATH: process.env.PATH ?? '', ...env },
    cwd,
    stderr: 'inherit',
  });
  await client.connect(transport);
  // The client then checks every result against the listed output schema.
  await client.listTools();
  return {
    client,
    async call(name, args = {}, options = {}) {
      const params = { name, arguments: args, ...(options.meta === undefined ? {} : { _meta: options.meta }) };
      const raw = await client.callTool(params, CallToolResultSchema, {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onprogress === undefined ? {} : { onprogress: options.onprogress }),
      });
      return outcomeOf(raw);
    },
    close: () => client.close(),
  };
}

export function outcomeOf(raw: unknown): ToolOutcome {
  const result = CallToolResultSchema.parse(raw);
  const data = result.structuredContent ?? {};
  const first = result.content[0];
  return {
    isError: result.isError === true,
    text: first?.type === 'text' ? first.text : '',
    data,
    error: data.error === undefined ? undefined : ErrorShape.parse(data.error),
  };
}

/** The server with bare lines in and out, for what no well-behaved client would write. */
export class RawMcp {
  readonly process: ChildProcessWithoutNullStreams;
  readonly lines: unknown[] = [];
  readonly #waiting: { test: (line: unknown) => boolean; resolve: (line: unknown) => void }[] = [];

  constructor(script: string, env: Record<string, string>) {
    this.process = spawn(process.execPath, [script], { env: { PATH: process.env.PATH ?? '', ...env }, stdio: 'pipe' });
    // Every line on stdout must be protocol: anything else throws here and fails the test.
    createInterface({ input: this.process.stdout }).on('line', (text) => {
      const line: unknown = JSON.parse(text);
      this.lines.push(line);
      const index = this.#waiting.findIndex((waiting) => waiting.test(line));
      if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve(line);
    });
  }

  write(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  send(message: Record<string, unknown>): void {
    this.write(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  waitFor(test: (line: unknown) => boolean): Promise<unknown> {
    const found = this.lines.find(test);
    return found === undefined
      ? new Promise((resolve) => this.#waiting.push({ test, resolve }))
      : Promise.resolve(found);
  }

  async request(id: number, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    this.send({ id, method, params });
    return this.waitFor((line) => idOf(line) === id);
  }

  initialize(): Promise<unknown> {
    return this.request(0, 'initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    });
  }

  /** The exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exit = new Promise<number | null>((resolve) => this.process.once('exit', resolve));
    this.process.stdin.end();
    return exit;
  }
}

export function idOf(line: unknown): unknown {
  return typeof line === 'object' && line !== null && 'id' in line ? line.id : undefined;
}
