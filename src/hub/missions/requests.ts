/**
 * Whether a mission may be asked for, and how it begins: every fault of the request is an error before anybody is asked and before anything
 * is stored; then policy says whether it starts, waits for an operator, or is denied.
 *
 * Invariants: who asks and how deep the chain of agents is, the hub knows by itself (from the machine, the session and the session's mission),
 * never from the request; a grant covers only the plain agent of a project (its own agent, no flags); an operator's request is its own approval.
 */
import { agentOf, formatAddress, type Address, type AgentAddress } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import { limitWords, unheldLimits } from '../../protocol/mission-limits.ts';
import type { AgentOffer, MissionRuntime, MissionSpec } from '../../protocol/mission.ts';
import type { GrantScope, PolicyLevel, Project } from '../../protocol/model.ts';
import { pendingCount } from '../store/approvals.ts';
import { countUse, liveGrants } from '../store/grants.ts';
import type { HubDb } from '../store/hub-store.ts';
import { projectsOf, sessionById } from '../store/machines.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { countLive, liveMissionsIn, missionById, missionInSession, offersOf, type Resume } from '../store/missions.ts';
import type { MissionParts } from './context.ts';
import type { MissionUnit } from './unit.ts';

/** Approvals of the whole mesh that may wait. */
const PENDING_MAX = 2_000;
const LIST_AGENTS = 'intercom_list_agents (or `intercom agents`) lists those that exist.';

export interface MissionDraft {
  readonly from: Address;
  readonly machine: string;
  readonly spec: MissionSpec;
  readonly idempotencyKey: string | undefined;
  readonly requireApproval: 'auto' | 'always';
  /** The conversation that it belongs to already; a new one if absent. */
  readonly threadId?: string;
  /** The question that it answers. */
  readonly answers?: string;
  /** Who asks is told by a notice when it is over. */
  readonly notify?: boolean;
  /** `rerun`, `fork` of this one. */
  readonly source?: MissionRow;
  readonly resume?: Resume;
}

/** A request that has no fault, with what policy says about it. */
export interface MissionPlan {
  readonly draft: MissionDraft;
  readonly project: Project;
  readonly agent: string;
  readonly runtime: MissionRuntime;
  readonly depth: number;
  readonly parent: string | undefined;
  readonly outcome: 'allow' | 'ask' | 'deny';
  readonly rule: string;
  readonly level: PolicyLevel | undefined;
  readonly scopes: readonly GrantScope[];
  readonly grantId: string | undefined;
}

export class MissionRequests {
  readonly #parts: MissionParts;

  constructor(parts: MissionParts) {
    this.#parts = parts;
  }

  /** Throws what is wrong with it. Changes nothing. */
  async plan(db: HubDb, draft: MissionDraft): Promise<MissionPlan> {
    this.#checkMachine(draft.machine);
    const project = await projectIn(db, draft);
    const offer = offered(await offersOf(db, draft.machine), draft, project.agent);
    const runtime = runtimeFor(offer, draft);
    const { depth, parent } = await this.#descent(db, draft.from);
    await this.#checkRoom(db, draft, depth);
    const plain = draft.spec.flags.length === 0 && offer.name === project.agent;
    const facts = { draft, project, agent: offer.name, runtime, depth, parent };
    return { ...facts, ...(await this.#verdict(db, draft, parent, plain)) };
  }

  /** Stores what was planned. `approvalId`: an approval that is asked for already and decides about this as well. */
  async store(unit: MissionUnit, plan: MissionPlan, given?: string): Promise<MissionRow> {
    const { draft } = plan;
    const id = newId('mission', unit.now);
    const threadId = draft.threadId ?? newId('thread', unit.now);
    const asked = plan.outcome === 'ask';
    const approvalId = asked ? (given ?? (await this.#ask(unit, plan, id, threadId))) : null;
    const state = { allow: 'queued', ask: 'awaiting_approval', deny: 'denied' } as const;
    const row = await unit.add(
      {
        ...this.#request(plan),
        id,
        thread_id: threadId,
        state: state[plan.outcome],
        state_since: unit.now,
        version: 1,
        reason: reasonOf(plan),
        run: 0,
        report_number: 0,
        approval_id: approvalId,
        approved_by: draft.from.kind === 'human' && plan.outcome === 'allow' ? (draft.from.name ?? 'human') : null,
        rule: plan.rule,
        passed_by: plan.outcome === 'allow' ? passedBy(plan).slice(0, 300) : '',
        created_at: unit.now,
        ended_at: plan.outcome === 'deny' ? unit.now : null,
      },
      firstLine(plan),
    );
    if (plan.outcome !== 'allow') return row;
    if (plan.grantId !== undefined) await countUse(unit.db, plan.grantId);
    return unit.enqueue(row, {}, `Waits for ${draft.machine}`);
  }

  #request(plan: MissionPlan) {
    const { draft } = plan;
    const { from, spec, source, resume } = draft;
    return {
      machine_id: draft.machine,
      project: spec.project,
      agent: plan.agent,
      runtime: plan.runtime,
      text: spec.text,
      flags: JSON.stringify(spec.flags),
      isolation: spec.isolation,
      limits: JSON.stringify(spec.limits),
      requested_by: formatAddress(from),
      requester_agent: formatAddress(from.kind === 'agent' ? agentOf(from) : from),
      requester_machine: from.kind === 'agent' ? from.machine : null,
      idempotency_key: draft.idempotencyKey ?? null,
      parent: plan.parent ?? null,
      depth: plan.depth,
      answers: draft.answers ?? null,
      notify: draft.notify === true ? 1 : 0,
      from_id: source?.id ?? null,
      place: 'hub',
      position: null,
      reset_at: null,
      session: null,
      path: plan.project.path,
      latest: null,
      log_seq: 0,
      told_seq: 0,
      log_bytes: 0,
      log_count: 0,
      resume: resume === undefined ? null : JSON.stringify(resume),
      placed_at: null,
      started_at: null,
      result: null,
    };
  }

  #checkMachine(machine: string): void {
    const standing = this.#parts.directory.standing(machine);
    if (standing === 'member') return;
    if (standing === 'revoked') {
      throw new IntercomError('revoked', `The machine ${machine} was revoked; nothing is started there.`, {
        field: 'machine',
        next: LIST_AGENTS,
      });
    }
    throw new IntercomError('unknown_machine', `There is no machine "${machine}" in this mesh.`, {
      field: 'machine',
      next: LIST_AGENTS,
    });
  }

  /** How many agents in a row started agents, with this one. */
  async #descent(db: HubDb, from: Address): Promise<{ depth: number; parent: string | undefined }> {
    if (from.kind === 'human') return { depth: 0, parent: undefined };
    const parent = await parentOf(db, from);
    return { depth: (parent?.depth ?? 0) + 1, parent: parent?.id };
  }

  async #checkRoom(db: HubDb, draft: MissionDraft, depth: number): Promise<void> {
    const { limits } = this.#parts;
    if (depth > limits.depth) {
      throw new IntercomError(
        'limit_reached',
        `Agents started agents ${depth} times in a row; this hub allows ${limits.depth}.`,
        { next: 'Do the work yourself, or ask your user to start it.', details: { depth, limit: limits.depth } },
      );
    }
    if (draft.from.kind === 'agent') {
      const requester = formatAddress(agentOf(draft.from));
      const live = await countLive(db, { requester });
      if (live >= limits.livePerAgent) {
        throw new IntercomError('limit_reached', `${live} missions that ${requester} asked for are not over yet.`, {
          next: 'Wait for some of them (intercom_wait), or end them (intercom_cancel).',
        });
      }
    }
    if ((await countLive(db, { machine: draft.machine })) >= limits.livePerMachine) {
      throw new IntercomError('limit_reached', `Too many missions wait for ${draft.machine} already.`, {
        next: 'Wait until some of them are over.',
      });
    }
  }

  async #verdict(
    db: HubDb,
    draft: MissionDraft,
    parent: string | undefined,
    plain: boolean,
  ): Promise<Pick<MissionPlan, 'outcome' | 'rule' | 'level' | 'scopes' | 'grantId'>> {
    const { from, machine, spec } = draft;
    const to: AgentAddress = { kind: 'agent', machine, project: spec.project };
    const requester = formatAddress(from.kind === 'agent' ? agentOf(from) : from);
    const { rule, outcome, level } = this.#parts.policy.evaluate(
      {
        from,
        to,
        type: 'start_agent',
        message: spec.text,
        ...(parent === undefined ? {} : { threadId: parent }),
      },
      plain ? await liveGrants(db, requester, formatAddress(to)) : [],
      this.#parts.clock.now(),
    );
    const asked = { outcome: 'ask', rule, level: undefined, scopes: ['once'], grantId: undefined } as const;
    if (outcome === 'deny') return { ...asked, outcome };
    if (from.kind === 'human') return { ...asked, outcome: 'allow', rule: 'built-in: a person asked for it' };
    if (outcome === 'allow' && draft.requireApproval !== 'always') {
      return { ...asked, outcome, grantId: /^grant (\S+)/.exec(rule)?.[1] };
    }
    if ((await pendingCount(db)) >= PENDING_MAX) {
      throw new IntercomError('limit_reached', 'Too many approvals wait for a decision already.', {
        next: 'Wait until an operator has decided about them.',
      });
    }
    if (outcome === 'allow') return { ...asked, rule: 'the sender asks for approval' };
    // A grant that nobody could use is not offered.
    const scopes = this.#parts.policy
      .scopesOf(level)
      .filter((scope) => scope !== 'mission' || parent !== undefined)
      .filter((scope) => scope !== 'session' || from.session !== undefined);
    return plain ? { ...asked, level, scopes } : asked;
  }

  async #ask(unit: MissionUnit, plan: MissionPlan, missionId: string, threadId: string): Promise<string> {
    const { draft, project } = plan;
    const { spec, resume, source } = draft;
    const approval = await this.#parts.approvals.create(unit.transaction, {
      subject: {
        kind: 'launch',
        missionId,
        threadId,
        from: formatAddress(draft.from),
        to: formatAddress({ kind: 'agent', machine: draft.machine, project: spec.project }),
        agent: plan.agent,
        runtime: plan.runtime,
        path: project.path,
        flags: spec.flags,
        isolation: spec.isolation,
        limits: spec.limits,
        depth: plan.depth,
        ...(plan.parent === undefined ? {} : { parent: plan.parent }),
        ...(draft.answers === undefined ? {} : { answers: draft.answers }),
        body: spec.text,
        ...(resume === undefined || source === undefined
          ? {}
          : { continues: `a copy of the conversation of ${source.id}` }),
      },
      rule: plan.rule,
      ...(plan.level === undefined ? {} : { level: plan.level }),
      scopes: plan.scopes,
      expiresAt: unit.now + this.#parts.limits.approvalExpirySeconds * 1000,
    });
    return approval.id;
  }
}

async function projectIn(db: HubDb, { machine, spec }: MissionDraft): Promise<Project> {
  const project = (await projectsOf(db, machine)).get(machine)?.find((one) => one.id === spec.project);
  if (project !== undefined) return project;
  throw new IntercomError('unknown_project', `${machine} has no project "${spec.project}".`, {
    field: 'project',
    next: LIST_AGENTS,
  });
}

/** The one that is asked for, else the first in which the agent can be held to all limits. */
function runtimeFor(offer: AgentOffer, { machine, spec }: MissionDraft): MissionRuntime {
  const fit = offer.runtimes.filter((one) => unheldLimits(offer, one, spec.limits).length === 0);
  const runtime = spec.runtime ?? fit[0] ?? offer.runtimes[0] ?? 'headless';
  if (!offer.runtimes.includes(runtime)) {
    throw new IntercomError('invalid_request', `${offer.name} on ${machine} does not run ${runtime}.`, {
      field: 'runtime',
      next: `It runs: ${offer.runtimes.join(', ') || 'nothing'}.`,
    });
  }
  if (fit.includes(runtime)) return runtime;
  const words = limitWords(unheldLimits(offer, runtime, spec.limits));
  throw new IntercomError('invalid_request', `${offer.name} cannot be held to ${words} as ${runtime}.`, {
    field: 'limits',
    next: fit[0] === undefined ? 'Choose another agent, or another limit.' : `Ask for the runtime ${fit[0]}.`,
  });
}

/** What the machine says about the agent that is wanted. Only agents that are configured there can be started, never a program. */
function offered(offers: readonly AgentOffer[], { machine, spec }: MissionDraft, usual: string): AgentOffer {
  const name = spec.agent ?? usual;
  const offer = offers.find((one) => one.name === name);
  const there = offers.filter((one) => one.version !== undefined && one.problem === undefined).map((one) => one.name);
  const next =
    there.length === 0
      ? `No agent can be started on ${machine} now; \`intercom doctor\` there says why.`
      : `On ${machine} there are: ${there.join(', ')}.`;
  if (offer === undefined) {
    throw new IntercomError('unknown_agent', `${machine} knows no agent called "${name}".`, { field: 'agent', next });
  }
  if (offer.problem !== undefined || offer.version === undefined) {
    const why = offer.problem ?? 'it is not installed there';
    throw new IntercomError('unknown_agent', `${name} cannot be started on ${machine}: ${why}`, {
      field: 'agent',
      next,
    });
  }
  return offer;
}

/**
 * The mission whose agent asks. Without a session nobody knows which agent of the project it is; then the deepest mission that lives there
 * counts, so that hiding the session gains nothing.
 */
export async function parentOf(db: HubDb, from: AgentAddress): Promise<MissionRow | undefined> {
  if (from.session === undefined) {
    const live = await liveMissionsIn(db, from.machine, from.project);
    return live.filter((one) => one.run > 0).sort((a, b) => b.depth - a.depth)[0];
  }
  const known = await sessionById(db, from.machine, from.session);
  if (known?.mission !== undefined) {
    const named = await missionById(db, known.mission);
    if (named?.machine_id === from.machine) return named;
  }
  return missionInSession(db, from.machine, from.session);
}

function reasonOf(plan: MissionPlan): string | null {
  if (plan.outcome === 'ask') return 'waits for an operator';
  return plan.outcome === 'deny' ? `forbidden by policy (${plan.rule})` : null;
}

function passedBy({ draft, rule }: MissionPlan): string {
  return draft.from.kind === 'human' ? `asked for by ${draft.from.name ?? 'the operators'}` : `allowed by ${rule}`;
}

function firstLine(plan: MissionPlan): string {
  const who = formatAddress(plan.draft.from);
  if (plan.outcome === 'deny') return `Asked for by ${who}, denied by ${plan.rule}`;
  if (plan.outcome === 'ask') return `Asked for by ${who}, waits for an operator (${plan.rule})`;
  return `Asked for by ${who}, let through by ${plan.rule}`;
}
