/** The Bot API as this surface uses it: grammY's client, each failure sorted and free of secrets. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Api, InputFile } from 'grammy';
import { failureOf, TelegramFailure } from './failure.ts';
import type { TelegramConfig } from './config.ts';

/** Seconds that one long poll waits at the server. */
export const POLL_SECONDS = 25;
/** Longer than a long poll; an answer that takes longer counts as lost. */
const CALL_SECONDS = POLL_SECONDS + 15;

export type RawApi = Api['raw'];

export class BotApi {
  readonly #api: Api;
  readonly #agent: HttpAgent;
  readonly #token: string;
  #closed = false;

  constructor(config: TelegramConfig, token: string) {
    this.#token = token;
    const apiRoot = config.apiRoot.replace(/\/+$/, '');
    this.#agent = apiRoot.startsWith('https:')
      ? new HttpsAgent({ keepAlive: true })
      : new HttpAgent({ keepAlive: true });
    this.#api = new Api(token, {
      apiRoot,
      timeoutSeconds: CALL_SECONDS,
      // Our own connections, so that `close` can end a long poll that waits.
      baseFetchConfig: { agent: this.#agent, compress: true },
    });
  }

  /** Ends its connections; calls under way fail, and so do later ones. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  /** Makes one call. Throws TelegramFailure. */
  async call<T>(method: string, work: (api: RawApi) => Promise<T>): Promise<T> {
    if (this.#closed) throw new TelegramFailure('network', method, 'the surface is stopped');
    try {
      return await work(this.#api.raw);
    } catch (error) {
      throw failureOf(error, method, this.#token);
    }
  }
}

export function fileOf(name: string, text: string): InputFile {
  return new InputFile(Buffer.from(text, 'utf8'), name);
}
