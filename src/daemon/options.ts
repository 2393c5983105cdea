/** What a daemon is started with. */
import type { Config } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Paths } from '../platform/paths.ts';

/** The membership that the configuration does not know: in standalone the hub of the same process gives it. */
export interface OwnHub {
  readonly url: string;
  readonly machineId: string;
  readonly secret: string;
}

export interface DaemonOptions {
  readonly config: Config;
  readonly paths: Paths;
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
  /** The hub of this very process: then only loopback is listened on. */
  readonly hub?: OwnHub;
  readonly env?: NodeJS.ProcessEnv;
  /** How to start this very program: by default as this process was started. */
  readonly intercom?: readonly string[];
  readonly home?: string;
}
