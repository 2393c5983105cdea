/**
 * The missions of this machine. (Skeleton: takes and keeps them.)
 */
import type { DeliverMission, DeliverMissionStop } from '../../protocol/daemon-api.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { HelloRequest } from '../../protocol/machine-api.ts';
import type { AgentOffer, Inspection } from '../../protocol/mission.ts';
import type { MissionDesk } from '../ports.ts';
import type { Missions } from '../store/missions.ts';

export interface LauncherOptions {
  readonly missions: Missions;
}

export class Launcher implements MissionDesk {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  accept(items: readonly DeliverMission[]): Promise<readonly ('stored' | 'known')[]> {
    return this.#options.missions.accept(items);
  }

  async stopMission(stop: DeliverMissionStop): Promise<void> {
    await this.#options.missions.wishStop(stop);
  }

  forHello(): Promise<HelloRequest['missions']> {
    return this.#options.missions.forHello();
  }

  offers(): readonly AgentOffer[] {
    return [];
  }

  inspect(session: string): Promise<Inspection> {
    return Promise.reject(this.#unknown(session));
  }

  terminalOf(session: string): { readonly socket: string; readonly key: string } {
    throw this.#unknown(session);
  }

  #unknown(session: string): IntercomError {
    return new IntercomError('unknown_session', `No runner of this machine has the session ${session}.`, {
      next: 'It has ended, or its person started it without `intercom run`.',
    });
  }
}
