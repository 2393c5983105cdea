/**
 * Starts a runner as a process of its own, in a session of its own, so that it outlives this daemon.
 *
 * Invariant: it gets only what a program needs to run; what its agent gets stands in its spec.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { passableEnvironment } from './environment.ts';
import type { SpawnRunner } from './start-run.ts';

const NEEDED: readonly string[] = [
  'PATH',
  'HOME',
  'TZ',
  'LANG',
  'TMPDIR',
  'XDG_STATE_HOME',
  'XDG_CONFIG_HOME',
  'INTERCOM_HOME',
];
const OUTPUT_MAX = 4_000;

/** `intercom`: how to start our own program. */
export function detachedRunner(intercom: readonly string[], env: NodeJS.ProcessEnv): SpawnRunner {
  const passable = passableEnvironment(env);
  const environment = Object.fromEntries(
    NEEDED.flatMap((name) => (passable[name] === undefined ? [] : [[name, passable[name]]])),
  );
  return (directory) => {
    const logFile = join(directory, 'runner.log');
    const log = openSync(logFile, 'a', 0o600);
    try {
      const [command = process.execPath, ...args] = intercom;
      const child = spawn(command, [...args, 'runner', directory], {
        detached: true,
        cwd: directory,
        env: environment,
        stdio: ['ignore', log, log],
      });
      child.unref();
      const ended = new Promise<string>((resolve) => {
        child.once('error', (error) => resolve(error.message));
        child.once('exit', () => {
          readFile(logFile, 'utf8').then(
            (text) => resolve(text.slice(-OUTPUT_MAX)),
            () => resolve(''),
          );
        });
      });
      return { ended };
    } finally {
      closeSync(log);
    }
  };
}
