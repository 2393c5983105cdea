/** The agent's own share of a wake: the same program, idle, without hub, daemon or hooks of ours, woken directly. Measured in turn with ours. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InboxConnection, inboxLine } from '../src/daemon/agents/claude/inbox-socket.ts';
import { parseRecord } from '../src/daemon/agents/claude/registry-record.ts';
import { ClaudeHome, ClaudeSession } from '../test/agents/claude-session.ts';
import type { ClaudeVersion } from '../test/agents/claude-session.ts';
import type { ScriptedModel } from '../test/agents/scripted-model.ts';

export class AgentFloor {
  readonly #home: ClaudeHome;
  readonly #model: ScriptedModel;
  readonly #session: ClaudeSession;
  readonly #fifo: string | undefined;

  static async start(version: ClaudeVersion, model: ScriptedModel): Promise<AgentFloor> {
    const home = new ClaudeHome('floor');
    const work = join(home.path, 'work');
    home.trust(work);
    let fifo: string | undefined;
    if (version === '2.1.197') {
      fifo = join(home.path, 'bell');
      execFileSync('mkfifo', [fifo]);
      const hook = { type: 'command', command: `cat '${fifo}' >&2; exit 2`, asyncRewake: true, timeout: 3600 };
      home.settings({ hooks: { SessionStart: [{ hooks: [hook] }], Stop: [{ hooks: [hook] }] } });
    }
    const session = await ClaudeSession.start({ home, version, cwd: work, modelUrl: model.url });
    return new AgentFloor(home, model, session, fifo);
  }

  private constructor(home: ClaudeHome, model: ScriptedModel, session: ClaudeSession, fifo: string | undefined) {
    this.#home = home;
    this.#model = model;
    this.#session = session;
    this.#fifo = fifo;
  }

  /** Milliseconds from the write to the model's request. */
  async wake(): Promise<number> {
    const text = `directly ${randomUUID()}`;
    const start = Date.now();
    if (this.#fifo === undefined) await this.#write(text);
    else await writeFile(this.#fifo, text);
    return (await this.#model.request(text)).at - start;
  }

  async stop(): Promise<void> {
    await this.#session.end();
    this.#home.remove();
  }

  async #write(text: string): Promise<void> {
    const record = parseRecord(this.#home.records().find(({ pid }) => pid === this.#session.pid)?.text ?? '');
    if (record?.messagingSocketPath === undefined) throw new Error('the session has no inbox socket');
    const connection = await InboxConnection.open(record.messagingSocketPath);
    const { sessionId } = record;
    await connection.send(
      inboxLine({ wakeId: randomUUID(), sessionId, replySocket: undefined, senderName: 'bench', text }),
    );
  }
}
