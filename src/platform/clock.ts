/** Time as a part that is handed in, so that no test waits for it. */

export type CancelTimer = () => void;

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds that only ever grow; does not count a suspended machine's sleep on every system. */
  monotonic(): number;
  /** Runs `task` once after `ms`; never keeps the process alive. */
  after(ms: number, task: () => void): CancelTimer;
  /** Runs `task` every `ms` until cancelled; never keeps the process alive. */
  every(ms: number, task: () => void): CancelTimer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(ms, task) {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Wire form of a time. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
