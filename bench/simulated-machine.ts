/** A machine as the hub sees one: signed calls of the machine API and a door for the hub's own calls, without a daemon behind them. */
import type { z } from 'zod';
import { JsonClient, signing } from '../src/platform/http/client.ts';
import { systemClock } from '../src/platform/clock.ts';
import { PROTOCOL_VERSION } from '../src/protocol/limits.ts';
import { ApprovalRaised, HelloResponse, Ok, type RaiseApproval } from '../src/protocol/machine-api.ts';
import type { UsageReport } from '../src/protocol/attention.ts';
import type { Session } from '../src/protocol/model.ts';
import { FakeDaemon } from '../test/support/fake-daemon.ts';

export interface SimulatedMachineFacts {
  readonly id: string;
  readonly secret: string;
  readonly hubUrl: string;
}

export class SimulatedMachine {
  readonly id: string;
  readonly door: FakeDaemon;
  readonly #client: JsonClient;

  private constructor(facts: SimulatedMachineFacts, door: FakeDaemon) {
    this.id = facts.id;
    this.door = door;
    this.#client = new JsonClient({
      origin: facts.hubUrl,
      authorize: signing(
        facts.id,
        () => facts.secret,
        () => Date.now(),
      ),
      peer: 'the hub',
      unreachableNext: '',
    });
  }

  static async of(facts: SimulatedMachineFacts): Promise<SimulatedMachine> {
    return new SimulatedMachine(facts, await FakeDaemon.start(facts.id, facts.secret, systemClock));
  }

  async hello(sessions: readonly Session[]): Promise<void> {
    const projects = [...new Set(sessions.map(({ project }) => project))].map((id) => ({ id, path: `/home/u/${id}` }));
    await this.#post(
      '/hello',
      {
        protocol: PROTOCOL_VERSION,
        version: 'bench',
        epoch: 'e',
        displayName: this.id,
        daemonUrl: this.door.url,
        projects,
        sessions,
      },
      HelloResponse,
    );
  }

  async told(sessions: readonly Session[]): Promise<void> {
    await this.#post('/sessions', { sessions }, Ok);
  }

  raise(approval: Omit<RaiseApproval, 'expiresInSeconds'>): Promise<ApprovalRaised> {
    return this.#post('/approvals', approval, ApprovalRaised);
  }

  async used(report: UsageReport): Promise<void> {
    await this.#post('/usage', report, Ok);
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.door.close();
  }

  #post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    return this.#client.call({ method: 'POST', path: `/api/machine${path}`, body }, schema);
  }
}
