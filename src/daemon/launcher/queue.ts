/**
 * Who is started next, and who waits at which place. Pure: first come, first served, but one whose project is full lets the next one pass.
 */

export interface Waiting {
  readonly key: string;
  readonly project: string;
}

export interface Caps {
  readonly maxConcurrent: number;
  readonly maxPerProject: number;
}

export interface Turn {
  readonly start: readonly string[];
  /** Places from 1 of those that still wait. */
  readonly positions: ReadonlyMap<string, number>;
}

/** `active`: the projects of the missions that hold a place now, one entry each. */
export function nextTurn(waiting: readonly Waiting[], active: readonly string[], caps: Caps): Turn {
  const inProject = new Map<string, number>();
  for (const project of active) inProject.set(project, (inProject.get(project) ?? 0) + 1);
  let free = caps.maxConcurrent - active.length;
  const start: string[] = [];
  const positions = new Map<string, number>();
  for (const { key, project } of waiting) {
    const here = inProject.get(project) ?? 0;
    if (free > 0 && here < caps.maxPerProject) {
      free -= 1;
      inProject.set(project, here + 1);
      start.push(key);
    } else {
      positions.set(key, positions.size + 1);
    }
  }
  return { start, positions };
}
