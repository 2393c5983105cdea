/** What this machine's agents used, told to the hub. Nothing is kept: a report that did not arrive is followed by a newer one. */
import type { UsageReport } from '../../protocol/attention.ts';
import { Ok } from '../../protocol/machine-api.ts';
import type { HubClient } from './hub-client.ts';

export class UsageCalls {
  /** Throws where this machine is in no mesh. */
  readonly #client: () => HubClient;

  constructor(client: () => HubClient) {
    this.#client = client;
  }

  async report(body: UsageReport): Promise<void> {
    await this.#client().call({ method: 'POST', path: '/api/machine/usage', body }, Ok);
  }
}
