/** Signed calls to the hub's machine API. What each came to goes into the HubState. */
import type { z } from 'zod';
import type { Clock } from '../../platform/clock.ts';
import { JsonClient, signing, type OutgoingRequest } from '../../platform/http/client.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { HubState } from './hub-state.ts';
import type { MachineSecret } from './secret.ts';

export interface HubClientOptions {
  readonly url: string;
  readonly machineId: string;
  readonly secret: MachineSecret;
  readonly state: HubState;
  readonly clock: Clock;
}

export class HubClient {
  readonly #client: JsonClient;
  readonly #state: HubState;

  constructor(options: HubClientOptions) {
    this.#state = options.state;
    this.#client = new JsonClient({
      origin: options.url,
      authorize: signing(
        options.machineId,
        () => options.secret.current,
        () => options.clock.now(),
      ),
      peer: 'the hub',
      unreachableNext: `Is it running at ${options.url}? What waits here goes out by itself as soon as it answers.`,
    });
  }

  async call<T>(request: OutgoingRequest, schema: z.ZodType<T>): Promise<T> {
    try {
      const answer = await this.#client.call(request, schema);
      this.#state.answered();
      return answer;
    } catch (thrown) {
      const error = toIntercomError(thrown);
      this.#state.failed(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
