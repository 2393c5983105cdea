/**
 * The tools that give agents work: start, wait, cancel, inspect. (How a mission stands: intercom_status; what it did: intercom_history.)
 *
 * A start never waits for a person's approval by itself: the mission's id comes back at once, so that no time-out of a client leaves an agent behind
 * that nobody knows. An agent is named, never a program.
 */
import { z } from 'zod';
import { MachineId, ProjectId } from '../protocol/address.ts';
import { IntercomError } from '../protocol/errors.ts';
import { isId, newId } from '../protocol/ids.ts';
import { Isolation, MissionRuntime, type Mission } from '../protocol/mission.ts';
import { BodyText, lineText } from '../protocol/text.ts';
import { withKey } from './message-tools.ts';
import { MissionShape, missionShape, told, UNDER_WAY, waitForMission } from './mission-status.ts';
import { defineTool, errorText, optional, type Answer, type Tool } from './tool.ts';
import { PEER_NOTE, quoted } from './words.ts';

const WAIT_MAX = 3600;
const missionId = z
  .string()
  .max(64)
  .refine((text) => isId('mission', text), {
    message: 'not the id of a mission (mis_ and 26 characters), as intercom_start_agent returned it',
  });

export const startTool = defineTool({
  name: 'intercom_start_agent',
  description:
    'Start an agent on a machine with a piece of work (a mission). It usually needs approval by a person first; the call returns at once with the mission_id. Then intercom_wait, or notify: true and go on with something else.',
  input: z.strictObject({
    machine: MachineId,
    project: ProjectId,
    mission: BodyText.describe('All that the agent must know; it sees nothing of your conversation'),
    agent_command: z
      .string()
      .max(400)
      .default('')
      .describe("An agent's name (claude, codex, …); empty: the project's own"),
    runtime: MissionRuntime.optional().describe('terminal can be watched; headless has no screen'),
    isolation: Isolation.default('none').describe('worktree: a git worktree and branch of its own'),
    max_duration: z.number().int().min(10).max(604_800).optional().describe('Seconds'),
    max_budget_usd: z.number().positive().max(10_000).optional(),
    require_approval: z.enum(['auto', 'always']).default('auto'),
    wait: z.number().int().min(0).max(WAIT_MAX).default(0).describe('Seconds to wait for the result'),
    notify: z.boolean().default(false).describe('true: you are told when it is over, also after your turn'),
    idempotency_key: lineText(200)
      .min(1)
      .optional()
      .describe('Repeat with the same key to try again without starting twice'),
  }),
  output: MissionShape,
  run: async (args, call) => {
    const idempotencyKey =
      args.idempotency_key ?? (call.toolUseId === undefined ? newId('mission') : `tool:${call.toolUseId}`);
    const start = {
      machine: args.machine,
      project: args.project,
      text: args.mission,
      // Whatever is not the name of an agent there, the hub refuses with the names of those that are.
      ...optional('agent', args.agent_command.trim() === '' ? undefined : agentName(args.agent_command)),
      ...optional('runtime', args.runtime),
      isolation: args.isolation,
      limits: {
        ...optional('maxDurationSeconds', args.max_duration),
        ...optional('maxBudgetUsd', args.max_budget_usd),
      },
      requireApproval: args.require_approval,
      notify: args.notify,
      idempotencyKey,
    };
    const begun = await call.client.startMission(start, call.signal).catch((error: unknown) => {
      throw withKey(error, idempotencyKey);
    });
    return answer(await waitForMission(call, begun, args.wait));
  },
});

export const waitTool = defineTool({
  name: 'intercom_wait',
  description:
    'Wait until a mission is over, and get its result. Without an end in time you get how it stands; it goes on.',
  input: z.strictObject({
    mission_id: missionId,
    timeout: z.number().int().min(1).max(WAIT_MAX).default(300).describe('Seconds'),
  }),
  output: MissionShape,
  annotations: { readOnlyHint: true },
  run: async (args, call) => {
    const mission = await waitForMission(call, await call.client.mission(args.mission_id), args.timeout);
    const { structured, text, ...rest } = answer(mission);
    const gaveUp = UNDER_WAY.includes(mission.state) ? `Not over after ${args.timeout} s; it goes on.\n` : '';
    return { structured, text: `${gaveUp}${text}`, ...rest };
  },
});

export const cancelTool = defineTool({
  name: 'intercom_cancel',
  description: 'End a mission that you asked for, or take back a message that was not handed over yet.',
  input: z.strictObject({
    mission_id: z.string().max(64).describe('mis_… or msg_…'),
    reason: lineText(300).optional(),
  }),
  output: z.object({ id: z.string(), state: z.string(), summary: z.string() }),
  run: async (args, call) => {
    const id = args.mission_id;
    if (isId('message', id)) {
      const { state, reason } = await call.client.cancel(id, args.reason);
      const summary = `${id} is ${state.replace('_', ' ')}${reason === undefined ? '' : ` (${reason})`}.`;
      return { structured: { id, state, summary }, text: summary };
    }
    if (!isId('mission', id)) {
      throw new IntercomError('invalid_request', 'mission_id is the id of neither a mission nor a message.', {
        field: 'mission_id',
        next: 'Give the id (mis_… or msg_…) that the tool returned.',
      });
    }
    const { state, reason } = await call.client.cancelMission(id, args.reason);
    const summary = `${id} is ${state.replace('_', ' ')}${reason === undefined ? '' : `: ${reason}`}.`;
    return { structured: { id, state, summary }, text: summary };
  },
});

export const inspectTool = defineTool({
  name: 'intercom_inspect',
  description:
    'One look at what the agent of a mission does now: its state and the last lines of its screen. Read-only.',
  input: z.strictObject({ mission_id: missionId }),
  output: z.object({
    session: z.string(),
    state: z.string(),
    at: z.string(),
    lines: z.array(z.string()),
    note: z.string(),
  }),
  annotations: { readOnlyHint: true },
  run: async (args, call) => {
    const { session, state, at, lines } = await call.client.inspectMission(args.mission_id);
    return {
      structured: { session, state, at, lines, note: PEER_NOTE },
      text: `${session}: ${state}, ${at}. ${PEER_NOTE}\n${quoted(lines.join('\n'))}`,
    };
  },
});

export const MISSION_TOOLS: readonly Tool[] = [startTool, waitTool, cancelTool, inspectTool];

/** A name as it may be sent; a path or a command line is no name, and is refused by the hub. */
function agentName(given: string): string {
  return given
    .trim()
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .slice(0, 60);
}

function answer(mission: Mission): Answer<typeof MissionShape> {
  if (mission.state !== 'denied') return told(mission);
  const code = mission.approvedBy === undefined ? 'denied_by_policy' : 'denied';
  const structured = missionShape(mission);
  const error = new IntercomError(code, structured.summary, {
    ...(structured.next === undefined ? {} : { next: structured.next }),
    details: { mission_id: mission.id },
  });
  return { structured: { ...structured, error: error.toWire() }, text: errorText(error), isError: true };
}
