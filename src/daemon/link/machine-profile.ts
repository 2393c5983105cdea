/** How this machine presents itself: as configured, and over that what was registered while running. */
import { z } from 'zod';
import { Machine } from '../../protocol/model.ts';
import type { Facts } from '../store/facts.ts';
import type { MachineFacts } from './registration.ts';

const FACT = 'machine';
const Said = z.object({
  displayName: Machine.shape.displayName.optional(),
  description: z.string().max(500).optional(),
});
type Said = z.infer<typeof Said>;

export class MachineProfile {
  readonly #configured: MachineFacts;
  readonly #facts: Facts;
  #said: Said;

  private constructor(configured: MachineFacts, facts: Facts, said: Said) {
    this.#configured = configured;
    this.#facts = facts;
    this.#said = said;
  }

  static async load(configured: MachineFacts, facts: Facts): Promise<MachineProfile> {
    return new MachineProfile(configured, facts, (await facts.get(FACT, Said)) ?? {});
  }

  get facts(): MachineFacts {
    return {
      displayName: this.#said.displayName ?? this.#configured.displayName,
      description: this.#said.description ?? this.#configured.description,
    };
  }

  /** Fields that are not given stay as they are. */
  async update(patch: { displayName?: string | undefined; description?: string | undefined }): Promise<void> {
    const said: Said = {
      ...this.#said,
      ...(patch.displayName === undefined ? {} : { displayName: patch.displayName }),
      ...(patch.description === undefined ? {} : { description: patch.description }),
    };
    await this.#facts.set(FACT, said);
    this.#said = said;
  }
}
