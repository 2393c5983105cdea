/**
 * The server's side of MCP on the SDK's protocol engine. The SDK's own `McpServer` is not used: it brings a JSON-schema validator and a schema
 * converter that double our start-up time, for checks that each tool does itself with better words.
 */
import { Protocol } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  InitializeRequestSchema,
  LATEST_PROTOCOL_VERSION,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/sdk/types.js';
import type {
  Implementation,
  ServerNotification,
  ServerRequest,
  ServerResult,
} from '@modelcontextprotocol/sdk/types.js';

export class McpEndpoint extends Protocol<ServerRequest, ServerNotification, ServerResult> {
  #clientName: string | undefined;

  constructor(serverInfo: Implementation, instructions: string) {
    super();
    this.setRequestHandler(InitializeRequestSchema, ({ params }) => {
      this.#clientName = params.clientInfo.name;
      const spoken = SUPPORTED_PROTOCOL_VERSIONS.includes(params.protocolVersion);
      return {
        protocolVersion: spoken ? params.protocolVersion : LATEST_PROTOCOL_VERSION,
        capabilities: { tools: {} },
        serverInfo,
        instructions,
      };
    });
  }

  /** What the client called itself at `initialize`. */
  get clientName(): string | undefined {
    return this.#clientName;
  }

  // We offer tools and nothing else, and ask nothing of the client: there is no capability to check.
  protected assertCapabilityForMethod(): void {}
  protected assertNotificationCapability(): void {}
  protected assertRequestHandlerCapability(): void {}
  protected assertTaskCapability(): void {}
  protected assertTaskHandlerCapability(): void {}
}
