/** intercom hub · daemon · standalone: starts the parts, says where they are, and stops them once at a signal. */
import type { Command } from 'commander';
import { IntercomError } from '../../protocol/errors.ts';
import type { Context } from '../io.ts';

export function define(program: Command, context: () => Context): void {
  for (const mode of ['hub', 'daemon', 'standalone'] as const) {
    program
      .command(mode)
      .description(`Run the ${mode}.`)
      .action(() => {
        void context();
        throw new IntercomError('unavailable', 'This build has no hub yet.', { next: 'Build again later.' });
      });
  }
}
