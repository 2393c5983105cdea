/** What a check of `intercom doctor` finds. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail' | 'skipped';
  readonly text: string;
  readonly next?: string;
}

export function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text };
}
export function warn(name: string, text: string, next: string): Finding {
  return { name, state: 'warn', text, next };
}
export function fail(name: string, text: string, next: string): Finding {
  return { name, state: 'fail', text, next };
}
export function skipped(name: string, text: string): Finding {
  return { name, state: 'skipped', text };
}
