/**
 * This machine's secret. The configuration gives the first one; the hub may replace it while running (rotation).
 *
 * Invariants: a new secret is on disk before anybody is told that it was taken. The file names, by hash, the configured secret that it
 * goes over: a newer join wins. The secret before is still good for requests of the hub for a day, because our answer to the rotation
 * may have been lost.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../platform/clock.ts';
import { readIfThere, replaceFile } from '../../platform/files.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { openRotation, type SealedForRotation } from '../../protocol/sealing.ts';

const PREVIOUS_KEPT_MS = 24 * 3600 * 1000;
/** What a hub may give us as a secret. */
const Secret = z.string().min(20).max(500).regex(/^\S+$/);

const SecretFile = z.object({
  configuredHash: z.string(),
  secret: Secret,
  previous: z.string().optional(),
  previousUntil: z.number(),
});
type SecretFile = z.infer<typeof SecretFile>;

export class MachineSecret {
  readonly #file: string;
  readonly #clock: Clock;
  #held: SecretFile;

  private constructor(file: string, clock: Clock, held: SecretFile) {
    this.#file = file;
    this.#clock = clock;
    this.#held = held;
  }

  /** `file` need not exist. A file that is damaged, or that belongs to an older join, is not used. */
  static async load(file: string, configured: string, clock: Clock): Promise<MachineSecret> {
    const configuredHash = hashOf(configured);
    const kept = SecretFile.safeParse(parseQuietly(await readIfThere(file)));
    if (kept.success && kept.data.configuredHash === configuredHash) return new MachineSecret(file, clock, kept.data);
    return new MachineSecret(file, clock, { configuredHash, secret: configured, previousUntil: 0 });
  }

  get current(): string {
    return this.#held.secret;
  }

  /** A short name of the secret that reveals nothing of it. */
  get fingerprint(): string {
    return hashOf(this.#held.secret).slice(0, 16);
  }

  /** The secrets that a request of the hub may be signed with. */
  accepted(): readonly string[] {
    const { secret, previous, previousUntil } = this.#held;
    return previous !== undefined && this.#clock.now() < previousUntil ? [secret, previous] : [secret];
  }

  /** Takes a new secret, sealed with the present one (or, if our last answer was lost, with the one before). */
  async rotate(sealed: SealedForRotation): Promise<void> {
    const opened = Secret.safeParse(this.#open(sealed));
    if (!opened.success) {
      throw new IntercomError('invalid_request', 'The new secret is not one that this machine can use.', {
        next: 'It has 20 to 500 characters without white space.',
      });
    }
    if (opened.data === this.#held.secret) return;
    const held: SecretFile = {
      configuredHash: this.#held.configuredHash,
      secret: opened.data,
      previous: this.#held.secret,
      previousUntil: this.#clock.now() + PREVIOUS_KEPT_MS,
    };
    await replaceFile(this.#file, `${JSON.stringify(held)}\n`);
    this.#held = held;
  }

  #open(sealed: SealedForRotation): string {
    const [current = '', previous] = this.accepted();
    if (previous === undefined) return openRotation(current, sealed);
    try {
      return openRotation(current, sealed);
    } catch {
      return openRotation(previous, sealed);
    }
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function parseQuietly(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
