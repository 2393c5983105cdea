/** What one request to a model used, as an agent's own record says it: what readers of records make and the store counts. */

export interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

export interface Use extends Counts {
  /** Names the request for ever: a line that comes again, grown or copied into another file, has the same. */
  readonly key: string;
  readonly session: string;
  /** Milliseconds. */
  readonly at: number;
  readonly model: string | undefined;
  /** US dollars; undefined: not known. */
  readonly costUsd: number | undefined;
  /** What was in the context of its session after it; undefined for a subagent's, which has a context of its own. */
  readonly context: SessionContext | undefined;
}

export interface SessionContext {
  readonly tokens: number;
  /** Undefined: not known. */
  readonly window: number | undefined;
}

/** The agent's own figures of the limits of its provider. */
export interface ProviderLimit {
  readonly usedPercent: number;
  /** Milliseconds. */
  readonly resetsAt: number;
}
/** By the length of the span in minutes: five hours, seven days. */
export interface ProviderLimits {
  readonly block: ProviderLimit | undefined;
  readonly week: ProviderLimit | undefined;
}

/** Reads the lines of one file, one after the other. */
export interface RecordReader {
  /** The line as it is in the file, without its end. */
  read(line: Buffer): Use | undefined;
  /** What it has to remember between two lines; kept with the file's cursor. */
  readonly memory: string | undefined;
  /** The newest limits that were read, if the record tells them. */
  readonly limits?: { readonly at: number; readonly limits: ProviderLimits } | undefined;
}

/** The records of one agent program. */
export interface RecordSource {
  readonly agent: string;
  readonly root: string;
  /** The session whose record this file is (or a subagent's of it); undefined: it is no record. */
  sessionOf(path: string): string | undefined;
  reader(session: string, memory: string | undefined): RecordReader;
  /** The files of one session, its own first; `own`, where it is known. */
  filesOf(session: string, own?: string): Promise<readonly string[]>;
}
