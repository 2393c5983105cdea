/** Results for scripts: one JSON document, in the shapes of src/protocol. */
import type { Io } from '../io.ts';

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value, undefined, io.tty ? 2 : undefined)}\n`);
}
