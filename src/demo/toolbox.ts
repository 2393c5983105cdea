/** The MCP tools as a demo agent uses them: a client of its own `intercom mcp-server`, the very one that real agents start. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { AddressText } from '../protocol/address.ts';
import { WireError } from '../protocol/errors.ts';
import { MessageId, ThreadId } from '../protocol/ids.ts';
import { MessageState } from '../protocol/message-life.ts';

const Outcome = z.object({
  message_id: MessageId.optional(),
  thread_id: ThreadId.optional(),
  state: MessageState.optional(),
  decided_by: z.string().optional(),
  rule: z.string().optional(),
  summary: z.string().optional(),
  error: WireError.optional(),
});
export type Outcome = z.infer<typeof Outcome>;

const Inbox = z.object({
  messages: z.array(
    z.object({ message_id: MessageId, thread_id: ThreadId, kind: z.string(), from: AddressText, text: z.string() }),
  ),
});
export type InboxMessage = z.infer<typeof Inbox>['messages'][number];

export interface ToolboxOptions {
  /** Program and arguments of the MCP server. */
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
}

export class Toolbox {
  readonly #client = new Client({ name: 'intercom-demo-agent', version: '1' });

  static async open(options: ToolboxOptions): Promise<Toolbox> {
    const toolbox = new Toolbox();
    const [command = process.execPath, ...args] = options.command;
    await toolbox.#client.connect(
      new StdioClientTransport({ command, args, env: options.env, cwd: options.cwd, stderr: 'inherit' }),
    );
    return toolbox;
  }

  chat(to: string, message: string): Promise<Outcome> {
    return this.#call('intercom_chat', { to, message, wait: 0 });
  }

  reply(threadId: string, message: string): Promise<Outcome> {
    return this.#call('intercom_reply', { thread_id: threadId, message, wait: 0 });
  }

  /** The state of a message; waits for a decision. */
  status(id: string, wait: number): Promise<Outcome> {
    return this.#call('intercom_status', { mission_id: id, wait });
  }

  async inbox(): Promise<InboxMessage[]> {
    return Inbox.parse(await this.#structured('intercom_check_inbox', {})).messages;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #call(name: string, args: Record<string, unknown>): Promise<Outcome> {
    return Outcome.parse(await this.#structured(name, args));
  }

  async #structured(name: string, args: Record<string, unknown>): Promise<unknown> {
    const result = await this.#client.callTool({ name, arguments: args }, CallToolResultSchema);
    return result.structuredContent;
  }
}
