/** Lines as Claude Code 2.1.329 writes them, cut to what matters, and places to put them. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SessionSum } from '../../../src/daemon/store/usage.ts';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { UsageScanner } from '../../../src/daemon/usage/scanner.ts';
import { claudeRecords } from '../../../src/daemon/usage/claude-record.ts';
import { codexRecords } from '../../../src/daemon/usage/codex-record.ts';
import type { ProviderLimits } from '../../../src/daemon/usage/use.ts';
import { systemClock, type Clock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';

export interface AnswerFields {
  readonly id?: string;
  readonly session?: string;
  /** On lines that a fork copied. */
  readonly from?: string;
  readonly at?: number;
  readonly model?: string;
  readonly input?: number;
  readonly output?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly sidechain?: boolean;
  readonly text?: string;
  readonly costUSD?: number;
}

let count = 0;

export function answer(fields: AnswerFields = {}): string {
  const id = fields.id ?? `msg_${(count += 1)}`;
  return `${JSON.stringify({
    parentUuid: null,
    isSidechain: fields.sidechain ?? false,
    message: {
      model: fields.model ?? 'claude-opus-5-5',
      id,
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: fields.text ?? 'Done.' }],
      usage: {
        input_tokens: fields.input ?? 10,
        cache_creation_input_tokens: fields.cacheWrite ?? 0,
        cache_read_input_tokens: fields.cacheRead ?? 0,
        output_tokens: fields.output ?? 5,
        cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: fields.cacheWrite ?? 0 },
        service_tier: 'standard',
        inference_geo: '',
        speed: 'standard',
      },
    },
    requestId: `req_${id}`,
    type: 'assistant',
    uuid: `uuid-${(count += 1)}`,
    timestamp: new Date(fields.at ?? Date.now()).toISOString(),
    sessionId: fields.session ?? 'session-1',
    ...(fields.from === undefined ? {} : { requestSessionId: fields.from }),
    ...(fields.costUSD === undefined ? {} : { costUSD: fields.costUSD }),
  })}\n`;
}

/** What a tool printed, which may speak of usage too. */
export function toolResult(text: string): string {
  return `${JSON.stringify({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', content: text }] } })}\n`;
}

export function totals({ input, output, cacheRead, cacheWrite }: SessionSum): number[] {
  return [input, output, cacheRead, cacheWrite];
}

/** A home with records, a store, and the real scanner on them. */
export class UsageRig {
  readonly root = mkdtempSync(join(tmpdir(), 'ic-usage-'));
  readonly claude = join(this.root, '.claude');
  readonly codex = join(this.root, '.codex');
  readonly told: string[] = [];
  readonly limits: ProviderLimits[] = [];
  store: DaemonStore;
  scanner: UsageScanner;
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.store = this.#open();
    this.scanner = this.#scanner();
  }

  transcript(session = 'session-1', project = '-shop'): string {
    return join(this.claude, 'projects', project, `${session}.jsonl`);
  }

  write(path: string, text: string | Buffer): void {
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, text);
  }

  /** Everything that has grown is read. */
  async read(): Promise<void> {
    await this.scanner.sweep();
    await this.scanner.idle();
  }

  async sum(session = 'session-1'): Promise<SessionSum> {
    const found = await this.store.usage.session(session);
    if (found === undefined) throw new Error(`nothing is known of ${session}`);
    return found;
  }

  /** As after a kill: what was not stored is gone. */
  async restart(): Promise<void> {
    await this.scanner.stop();
    await this.store.close();
    this.store = this.#open();
    this.scanner = this.#scanner();
  }

  async end(): Promise<void> {
    await this.scanner.stop();
    await this.store.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  #open(): DaemonStore {
    return new DaemonStore({ file: join(this.root, 'daemon.db'), clock: this.#clock, log: silentLog() });
  }

  #scanner(): UsageScanner {
    return new UsageScanner({
      sources: [claudeRecords(this.claude), codexRecords(this.codex)],
      store: this.store.usage,
      clock: this.#clock,
      log: silentLog(),
      onUse: (_agent, sessions) => this.told.push(...sessions),
      onLimits: (_agent, _at, limits) => this.limits.push(limits),
      onProgress: () => undefined,
    });
  }
}
