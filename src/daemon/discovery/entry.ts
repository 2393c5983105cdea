/** One directory in the list of projects, and what can be said of it without looking at the others. Pure. */
import type { Project } from '../../protocol/model.ts';
import type { ProjectDetails } from '../store/facts.ts';

export interface Entry {
  readonly path: string;
  readonly id: string;
  readonly source: Project['source'];
  /** What the configuration or discovery says; `details`, what was said later, goes over it. */
  readonly base: ProjectDetails;
  readonly details: ProjectDetails;
  /** Taken off the list by hand. */
  readonly hidden: boolean;
  readonly seenAt: number;
}

/** `defaultAgent`: the agent of projects that name none. */
export function projectOf(entry: Entry, defaultAgent: string): Project {
  const { description, capabilities, tags, agent } = { ...entry.base, ...entry.details };
  return {
    id: entry.id,
    description: description ?? '',
    capabilities: capabilities ?? [],
    tags: tags ?? [],
    path: entry.path,
    agent: agent ?? defaultAgent,
    source: entry.source,
  };
}

/** Known only because a session ran there; nobody has said anything about it. */
export function isPassing(entry: Entry): boolean {
  return entry.source === 'session' && Object.keys(entry.details).length === 0 && !entry.hidden;
}

export function sameId(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

export function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
