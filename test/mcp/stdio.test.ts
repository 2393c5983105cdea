import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LINE_MAX, StdioTransport } from '../../src/mcp/stdio.ts';
import { newId } from '../../src/protocol/ids.ts';
import { bundle } from '../support/bundle.ts';
import { RawMcp, idOf, outcomeOf } from '../support/mcp-process.ts';
import { ScriptedDaemon, answered, status, traceOf } from '../support/scripted-daemon.ts';

let script = '';
let daemon: ScriptedDaemon;
let raw: RawMcp;

beforeAll(async () => {
  script = await bundle('test/support/mcp-entry.ts', 'mcp-raw');
  daemon = await ScriptedDaemon.start();
}, 30_000);
afterAll(() => daemon.stop());
afterEach(() => raw.end());

const ErrorLine = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string(), z.number()]).optional(),
  error: z.object({ code: z.number(), message: z.string() }),
});
const ResultLine = z.object({ id: z.number(), result: z.record(z.string(), z.unknown()) });
const isRefusal = (line: unknown): boolean => ErrorLine.safeParse(line).success;

function start(): RawMcp {
  raw = new RawMcp(script, { INTERCOM_HOME: daemon.home });
  return raw;
}

describe('the stdio of the MCP server', () => {
  it.each([
    ['no JSON', '{"jsonrpc":', -32700],
    ['no JSON-RPC', '{"hello":1}', -32600],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
    ['another version', '{"jsonrpc":"1.0","id":7,"method":"ping"}', -32600],
  ])('answers %s with an error and goes on', async (_what, line, code) => {
    const server = start();
    server.write(line);
    expect(ErrorLine.parse(await server.waitFor(isRefusal)).error.code).toBe(code);
    expect(ResultLine.parse(await server.initialize()).id).toBe(0);
    expect(await server.end()).toBe(0);
  });

  it('drops a line over its limit as a whole, whatever it holds, and goes on', async () => {
    const server = start();
    server.process.stdin.write('x'.repeat(LINE_MAX / 2));
    server.process.stdin.write(`${'y'.repeat(LINE_MAX)}{"jsonrpc":"2.0","id":1,"method":"ping"}\n`);
    await server.initialize();
    expect(server.lines.filter(isRefusal)).toHaveLength(1);
    expect(server.lines.map(idOf)).toEqual([undefined, 0]);
  });

  it('takes the longest message that there can be, however it is escaped', async () => {
    daemon.on('submit', () => status());
    const server = start();
    await server.initialize();
    const body = '\\u0061'.repeat(256 * 1024);
    server.write(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"intercom_send","arguments":{"to":"server/web","message":"${body}"}}}`,
    );
    const line = ResultLine.parse(await server.waitFor((one) => idOf(one) === 1));
    expect(outcomeOf(line.result).isError).toBe(false);
  });

  it('ends by itself when its stdin ends, also while a call waits', async () => {
    daemon.on('submit', () => status({ state: 'held' })).on('message', () => new Promise(() => undefined));
    const server = start();
    await server.initialize();
    const slice = daemon.next('message');
    server.send({
      id: 1,
      method: 'tools/call',
      params: { name: 'intercom_ask', arguments: { to: 'human', message: 'x' } },
    });
    await slice;
    expect(await server.end()).toBe(0);
  });

  it('does not acknowledge a hand-out whose result nobody can read any more', async () => {
    daemon.on('take', () => ({ offer: 'offer-lost', messages: [], more: 0 }));
    const server = start();
    await server.initialize();
    const taken = daemon.next('take');
    server.process.stdout.destroy();
    server.send({ id: 1, method: 'tools/call', params: { name: 'intercom_check_inbox', arguments: {} } });
    await taken;
    await server.end();
    expect(daemon.seen.filter((seen) => seen.route === 'ack')).toEqual([]);
  });

  it('does not acknowledge what a cancelled call took', async () => {
    const server = start();
    await server.initialize();
    let release = (): void => undefined;
    daemon.on(
      'take',
      () => new Promise((resolve) => (release = () => resolve({ offer: 'offer-cancelled', messages: [], more: 0 }))),
    );
    const taken = daemon.next('take');
    server.send({ id: 1, method: 'tools/call', params: { name: 'intercom_check_inbox', arguments: {} } });
    const { gone } = await taken;
    const hungUp = new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve()));
    server.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await hungUp;
    release();
    await server.request(2, 'ping');
    await server.end();
    expect(daemon.seen.filter((seen) => seen.route === 'ack')).toEqual([]);
  });
});

describe('the transport', () => {
  it('gives the same messages however the bytes are cut', async () => {
    const messages = [1, 2, 3].map((id) => ({
      jsonrpc: '2.0' as const,
      id,
      method: `m${id}`,
      params: { text: 'é😀\u2028' },
    }));
    const bytes = Buffer.from(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length })), async (cuts) => {
        const input = new PassThrough();
        const transport = new StdioTransport(input, new PassThrough());
        const got: unknown[] = [];
        transport.onmessage = (message) => got.push(message);
        const closed = new Promise<void>((resolve) => (transport.onclose = resolve));
        await transport.start();
        const edges = [0, ...cuts.sort((left, right) => left - right), bytes.length];
        for (const [index, edge] of edges.entries())
          input.write(bytes.subarray(edge, edges[index + 1] ?? bytes.length));
        input.end();
        await closed;
        expect(got).toEqual(messages);
      }),
    );
  });

  it('stops reading while nobody reads its answers', async () => {
    const input = new PassThrough();
    const output = new PassThrough({ highWaterMark: 100 });
    const transport = new StdioTransport(input, output);
    await transport.start();
    input.write('nonsense\n'.repeat(10));
    await new Promise((resolve) => setImmediate(resolve));
    expect(input.isPaused()).toBe(true);
    output.resume();
    await new Promise((resolve) => output.once('drain', resolve));
    expect(input.isPaused()).toBe(false);
  });
});

describe('fuzz', () => {
  const TOOLS = [
    'send',
    'ask',
    'ask_human',
    'chat',
    'reply',
    'status',
    'history',
    'list_agents',
    'check_inbox',
    'register',
    'report_feedback',
    'start_agent',
    'announce',
    'upgrade',
  ];
  const FIELDS = [
    'to',
    'message',
    'priority',
    'timeout',
    'require_approval',
    'thread_id',
    'mission_id',
    'limit',
    'before',
    'offset',
    'filter',
    'wait',
    'idempotency_key',
    'in_reply_to',
    'type',
    'description',
    'context',
    'action',
    'project',
    'machine',
    '__proto__',
    'constructor',
  ];
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom(
      'server/web',
      'human',
      'all',
      'high',
      0,
      1,
      50,
      -1,
      1e308,
      'x'.repeat(10_000),
      '\u001b[31m',
      '\ud800',
    ),
    fc.constantFrom('message', 'thread').map((kind) => newId(kind === 'message' ? 'message' : 'thread')),
  );
  const args = fc.oneof(
    { weight: 9, arbitrary: fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 6 }) },
    { weight: 1, arbitrary: value },
  );

  it('any line and any argument gets a structured answer, and the server lives', async () => {
    const of = answered();
    daemon
      .on('submit', () => status())
      .on('message', () => of)
      .on('trace', () => traceOf(of));
    daemon.on('take', () => ({ messages: [], more: 0 })).on('agents', () => ({ agents: [], at: of.stateSince }));
    daemon.on('announce', () => ({ id: newId('announcement'), listeners: 0 }));
    daemon.on('presence', () => ({ operators: [] }));
    daemon.on('register', () => ({ ok: true })).on('feedback', () => ({ ok: true }));
    const server = start();
    await server.initialize();
    let id = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...TOOLS), args, fc.option(value), async (tool, given, meta) => {
        id += 1;
        const params = {
          name: `intercom_${tool}`,
          arguments: given,
          ...(meta === null ? {} : { _meta: { 'claudecode/toolUseId': meta } }),
        };
        server.send({ id, method: 'tools/call', params });
        const line = await server.waitFor((one) => idOf(one) === id);
        const result = ResultLine.safeParse(line);
        if (!result.success) {
          expect([-32600, -32602, -32603]).toContain(ErrorLine.parse(line).error.code);
          return;
        }
        const outcome = outcomeOf(result.data.result);
        expect(outcome.text).not.toBe('');
        if (outcome.isError) expect(outcome.error?.code).not.toBe('internal');
      }),
      { numRuns: 400 },
    );
    const lines = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 500 }),
      fc.json(),
      fc
        .record({
          jsonrpc: fc.constant('2.0'),
          id: value,
          method: fc.oneof(
            fc.string(),
            fc.constantFrom('tools/call', 'tools/list', 'initialize', 'ping', 'tasks/get', 'notifications/cancelled'),
          ),
          params: value,
        })
        .map((message) => JSON.stringify(message)),
    );
    await fc.assert(
      fc.asyncProperty(lines, async (line) => {
        id += 1;
        server.write(line.replaceAll('\n', ' '));
        expect(idOf(await server.request(id, 'ping'))).toBe(id);
      }),
      { numRuns: 400 },
    );
    expect(await server.end()).toBe(0);
  }, 60_000);
});
