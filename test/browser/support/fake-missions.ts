/** The missions of the stand-in hub: their routes, with the roles and the words of the real one. */
import { IntercomError, parseWith } from '../../../src/protocol/errors.ts';
import type { NewHubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionLogEntry } from '../../../src/protocol/mission.ts';
import { MissionResume, MissionSend, OperatorMission } from '../../../src/protocol/operator-api.ts';
import { past } from './scene.ts';

export interface FakeMissionParts {
  readonly list: () => Mission[];
  readonly logs: () => Map<string, MissionLogEntry[]>;
  readonly emit: (event: NewHubEvent) => void;
  readonly mayAct: () => boolean;
}

const PAGE = 50;

export class FakeMissions {
  /** What was asked of it, in words. */
  readonly asked: string[] = [];
  readonly #parts: FakeMissionParts;
  readonly #first = new Map<string, string>();

  constructor(parts: FakeMissionParts) {
    this.#parts = parts;
  }

  put(mission: Mission): Mission {
    const list = this.#parts.list();
    const at = list.findIndex(({ id }) => id === mission.id);
    if (at < 0) list.push(mission);
    else list[at] = mission;
    this.#parts.emit({ type: 'mission.changed', mission });
    return mission;
  }

  move(id: string, patch: Partial<Mission>): Mission {
    const over = patch.state !== undefined && missionIsOver(patch.state) ? { endedAt: past(0) } : {};
    return this.put({ ...this.get(id), stateSince: past(0), ...over, ...patch });
  }

  works(id: string, entry: Pick<MissionLogEntry, 'kind' | 'label'> & Partial<MissionLogEntry>): void {
    const { run } = this.get(id);
    const log = this.#parts.logs().get(id) ?? [];
    const full: MissionLogEntry = { seq: log.length + 1, run, at: past(0), ...entry };
    this.#parts.logs().set(id, [...log, full]);
    this.#parts.emit({ type: 'mission.log', missionId: id, entries: [full] });
  }

  newest(limit: number): Mission[] {
    const all = [...this.#parts.list()].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    const over = all.filter(({ state }) => missionIsOver(state));
    return [...all.filter(({ state }) => !missionIsOver(state)), ...over.slice(0, limit)];
  }

  get(id: string): Mission {
    const mission = this.#parts.list().find((other) => other.id === id);
    if (mission === undefined) {
      throw new IntercomError('unknown_mission', 'There is no such mission.', { next: 'Go back to the list.' });
    }
    const logSeq = this.#parts.logs().get(id)?.length ?? 0;
    return { ...mission, logSeq };
  }

  route(method: string, id: string, sub: string | undefined, body: unknown, before: string | undefined): unknown {
    if (method === 'POST' && !this.#parts.mayAct()) throw new IntercomError('forbidden', 'You are a viewer.');
    if (id === '') return method === 'POST' ? this.#start(parseWith(OperatorMission, body)) : this.#page(before);
    const mission = this.get(id);
    switch (sub) {
      case undefined:
        return mission;
      case 'log': {
        const entries = this.#parts.logs().get(id) ?? [];
        return { entries, missing: 0, more: false, state: mission.state };
      }
      case 'cancel':
        this.asked.push('cancel');
        return this.move(id, { reason: `${mission.machine} is asked to end it: cancelled by nora` });
      case 'pause':
        this.asked.push('pause');
        return this.move(id, { state: 'paused', reason: 'paused by nora' });
      case 'resume':
        this.asked.push(`resume ${parseWith(MissionResume, body).text ?? ''}`.trim());
        return this.move(id, { state: 'queued', run: mission.run + 1 });
      case 'rerun':
        this.asked.push('rerun');
        return this.#start({ ...mission, limits: mission.limits });
      case 'send':
        return this.#said(mission, parseWith(MissionSend, body).text);
      default:
        throw new IntercomError('not_found', 'No such route.');
    }
  }

  #page(before: string | undefined): unknown {
    const all = [...this.#parts.list()].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    const from = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
    return { missions: all.slice(from, from + PAGE), more: all.length > from + PAGE };
  }

  #start(asked: OperatorMission): Mission {
    const known = this.#first.get(asked.idempotencyKey ?? '');
    if (known !== undefined) return this.get(known);
    this.asked.push(`start ${asked.machine}/${asked.project}: ${asked.text}`);
    const { machine, project, text, limits, isolation } = asked;
    const mission = makeMission({ machine, project, text, limits, isolation, state: 'queued', run: 1 });
    if (asked.idempotencyKey !== undefined) this.#first.set(asked.idempotencyKey, mission.id);
    return this.put(mission);
  }

  #said(mission: Mission, text: string): unknown {
    if (mission.session === undefined) {
      throw new IntercomError('conflict', `Nothing can be said to it now: it is ${mission.state}.`);
    }
    this.asked.push(`say ${text}`);
    const to = `${mission.machine}/${mission.project}#${mission.session}`;
    const { threadId } = mission;
    return { id: newId('message'), threadId, to, state: 'queued', stateSince: past(0), place: 'hub' };
  }
}

/** A mission that works, unless told. */
export function makeMission(over: Partial<Mission> = {}): Mission {
  const createdAt = over.createdAt ?? past(200);
  return {
    id: newId('mission', Date.parse(createdAt)),
    machine: 'studio',
    project: 'shop/api',
    threadId: newId('thread'),
    agent: 'claude',
    runtime: 'terminal',
    text: 'Mend the tests',
    flags: [],
    isolation: 'none',
    limits: {},
    requestedBy: 'human:nora',
    depth: 0,
    state: 'running',
    stateSince: createdAt,
    place: 'studio',
    run: 1,
    logSeq: 0,
    createdAt,
    ...over,
  };
}
