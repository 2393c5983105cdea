/** The hub's missions as far as the Telegram surface uses them, in memory: same events, same errors. */
import { isoTime, type Clock } from '../../../src/platform/clock.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import type { NewHubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionResult } from '../../../src/protocol/mission.ts';
import type { Message } from '../../../src/protocol/model.ts';
import type { Actor, Missions } from '../../../src/hub/services.ts';

function unused(): never {
  throw new Error('the Telegram surface does not use this');
}

export interface FakeMissionParts {
  readonly clock: Clock;
  readonly emit: (event: NewHubEvent) => void;
  readonly say: (draft: Partial<Message> & Pick<Message, 'from' | 'to' | 'body'>) => Message;
}

export class FakeMissions {
  readonly all = new Map<string, Mission>();
  /** What was asked of it, in words. */
  readonly asked: string[] = [];
  readonly #parts: FakeMissionParts;
  readonly #byKey = new Map<string, string>();

  constructor(parts: FakeMissionParts) {
    this.#parts = parts;
  }

  /** A mission that was let pass. */
  add(extra: Partial<Mission> = {}): Mission {
    const mission: Mission = {
      id: newId('mission'),
      machine: 'server',
      project: 'web',
      threadId: newId('thread'),
      agent: 'claude',
      runtime: 'terminal',
      text: 'Mend the tests',
      flags: [],
      isolation: 'none',
      limits: {},
      requestedBy: 'human:ann',
      depth: 0,
      state: 'queued',
      stateSince: this.#now(),
      place: 'hub',
      run: 1,
      logSeq: 0,
      createdAt: this.#now(),
      ...extra,
    };
    return this.put(mission);
  }

  put(mission: Mission): Mission {
    this.all.set(mission.id, mission);
    this.#parts.emit({ type: 'mission.changed', mission });
    return mission;
  }

  move(id: string, patch: Partial<Mission>): Mission {
    const over = patch.state !== undefined && missionIsOver(patch.state) ? { endedAt: this.#now() } : {};
    return this.put({ ...this.#get(id), ...over, ...patch });
  }

  /** The session of a mission is there and it works. */
  run(id: string): Mission {
    return this.move(id, { state: 'running', session: 'c0ffee00-1111', startedAt: this.#now(), place: 'server' });
  }

  /** A new line in its log; as in the hub, no event of its own tells the newest line. */
  works(id: string, label: string): void {
    const known = this.#get(id);
    const seq = known.logSeq + 1;
    this.all.set(id, { ...known, logSeq: seq, latest: label });
    const entry = { seq, run: known.run, at: this.#now(), kind: 'tool' as const, label };
    this.#parts.emit({ type: 'mission.log', missionId: id, entries: [entry] });
  }

  ends(id: string, text: string, extra: Partial<MissionResult> = {}): Mission {
    const result = { text, cut: false, isError: false, durationMs: 65_000, ...extra };
    return this.move(id, { state: 'completed', result });
  }

  services(): Missions {
    const by = (actor: Actor) => actor.operator.name;
    return {
      ...{ startFromMachine: unused, applyNews: unused, wait: unused, log: unused },
      ...{ rerun: unused, fork: unused, inspect: unused, counts: unused },
      startFromOperator: async (actor, start) => {
        this.#mayAct(actor);
        this.asked.push(`start ${start.machine}/${start.project}: ${start.text}`);
        if (start.project === 'nowhere') {
          throw new IntercomError('unknown_project', `${start.machine} has no project "${start.project}".`, {
            next: '`intercom agents` lists them.',
          });
        }
        const known = this.#byKey.get(start.idempotencyKey ?? '');
        if (known !== undefined) return this.#get(known);
        const { machine, project, text } = start;
        const mission = this.add({ machine, project, text, requestedBy: `human:${by(actor)}` });
        this.#byKey.set(start.idempotencyKey ?? '', mission.id);
        return mission;
      },
      list: async ({ state, limit }) => {
        const all = [...this.all.values()].reverse();
        const found = all.filter(
          (mission) => state === undefined || missionIsOver(mission.state) === (state === 'over'),
        );
        return { missions: found.slice(0, limit), more: found.length > limit };
      },
      get: async (id) => this.#get(id),
      cancel: async (id, actor) => {
        if (!('operator' in actor)) return unused();
        this.#mayAct(actor);
        this.asked.push(`cancel by ${by(actor)}`);
        const mission = this.#get(id);
        if (missionIsOver(mission.state)) {
          throw new IntercomError('conflict', `It is over already: ${mission.state}.`);
        }
        const reason = `${mission.machine} is asked to end it: cancelled by ${by(actor)}`;
        return this.move(id, { reason });
      },
      pause: async (actor, id) => {
        this.#mayAct(actor);
        this.asked.push(`pause by ${by(actor)}`);
        return this.move(id, { state: 'paused' });
      },
      resume: async (actor, id, text) => {
        this.#mayAct(actor);
        this.asked.push(`resume by ${by(actor)}: ${text ?? ''}`);
        const known = { ...this.#get(id) };
        delete known.result;
        delete known.reason;
        return this.put({ ...known, state: 'queued', run: known.run + 1 });
      },
      send: async (actor, id, text) => {
        this.#mayAct(actor);
        const mission = this.#get(id);
        if (mission.session === undefined || missionIsOver(mission.state)) {
          throw new IntercomError('conflict', `Nothing can be said to it now: it is ${mission.state}.`);
        }
        this.asked.push(`say: ${text}`);
        const message = this.#parts.say({
          from: `human:${by(actor)}`,
          to: `${mission.machine}/${mission.project}#${mission.session}`,
          body: text,
          kind: 'chat',
          threadId: mission.threadId,
        });
        const { threadId, to, state, stateSince, place } = message;
        return { id: message.id, threadId, to, state, stateSince, place };
      },
    };
  }

  #mayAct({ operator }: Actor): void {
    if (operator.role === 'viewer') throw new IntercomError('forbidden', `${operator.name} is a viewer.`);
  }

  #get(id: string): Mission {
    const mission = this.all.get(id);
    if (mission === undefined) throw new IntercomError('unknown_mission', 'There is no such mission.');
    return mission;
  }

  #now(): string {
    return isoTime(this.#parts.clock.now());
  }
}
