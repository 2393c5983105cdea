/** Asks before what cannot be taken back. Where nobody can be asked, `--yes` must be given. */
import { IntercomError } from '../protocol/errors.ts';
import type { Io } from './io.ts';

/** Returns only after a yes; throws `cancelled` otherwise. */
export async function confirm(io: Io, question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!io.interactive) {
    throw new IntercomError('invalid_request', `${question} Nobody can be asked here.`, {
      next: 'Add --yes if you mean it.',
    });
  }
  const answer = (await io.ask(`${question} [y/N] `))?.trim().toLowerCase();
  if (answer === 'y' || answer === 'yes') return;
  throw new IntercomError('cancelled', 'Nothing was changed.', { next: 'Answer with y to go on.' });
}
