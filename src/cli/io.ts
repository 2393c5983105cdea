/**
 * What a command may touch of the outside: streams, environment, time. Handed in, so that a test runs the whole program in its own process
 * and reads what it printed.
 */
import type { Paths } from '../platform/paths.ts';

export interface Io {
  /** Prints to stdout: results. */
  readonly out: (text: string) => void;
  /** Prints to stderr: progress, notes and errors. */
  readonly err: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly home: string;
  /** Process id of whoever started us. */
  readonly ppid: number;
  /** A person looks at stdout. */
  readonly tty: boolean;
  /** A person looks at stderr. */
  readonly errTty: boolean;
  /** A person can be asked. */
  readonly interactive: boolean;
  readonly colour: boolean;
  readonly columns: number;
  readonly now: () => number;
  /** Asks the person; `hidden` does not echo. Undefined: they ended the input. */
  readonly ask: (question: string, options?: { readonly hidden?: boolean }) => Promise<string | undefined>;
  /** All of stdin, at most `max` characters. */
  readonly readInput: (max: number) => Promise<string>;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** What the global options say; every command gets it. */
export interface Context {
  readonly io: Io;
  /** `--config FILE`. */
  readonly configFile: string | undefined;
  /** `--hub URL`: which hub an operator command speaks to. */
  readonly hubUrl: string | undefined;
  readonly paths: Paths;
  /** The exit code of a command that printed its own result (a check that found faults). */
  readonly exit: (code: number) => void;
}
