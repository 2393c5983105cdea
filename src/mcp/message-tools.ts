/**
 * The tools that hand messages in, and the one that tells where a message is: send, ask, chat, reply, status.
 *
 * Each call carries an idempotency key, so that a lost answer never leads to a second message. Whoever waits learns of a denial as the
 * result of the call; whoever gives up waiting gets the message's id and its true state.
 */
import { z } from 'zod';
import { AddressText } from '../protocol/address.ts';
import { IntercomError } from '../protocol/errors.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { MessageId, ThreadId, isId, newId } from '../protocol/ids.ts';
import type { LocalMessageStatus, LocalSubmit, WaitFor } from '../protocol/local-api.ts';
import { hasFailed } from '../protocol/message-life.ts';
import { Priority } from '../protocol/model.ts';
import type { Trace } from '../protocol/model.ts';
import { BodyText, lineText } from '../protocol/text.ts';
import { MissionShape, missionStatus } from './mission-status.ts';
import { defineTool, errorText, optional } from './tool.ts';
import type { Answer, Tool, ToolCall } from './tool.ts';
import { isSettled, waitFor } from './waiting.ts';
import { MessageShape, hubIsAway, messageShape, quoted, stateSentence, whatNext } from './words.ts';

/** How long a send waits for a person, seconds: below the 60 s after which many clients give a call up. */
const DECISION_WAIT = 45;
const WAIT_MAX = 3600;

const key = lineText(200).min(1).optional().describe('Repeat with the same key to try again without sending twice');
const wait = z.number().int().min(0).max(WAIT_MAX).default(DECISION_WAIT).describe('Seconds to wait for an approval');
const inReplyTo = MessageId.optional().describe('Id of the message that this answers');
const to = AddressText.describe('machine/project, machine/project#session, or human');

export const sendTool = defineTool({
  name: 'intercom_send',
  description:
    'Tell another agent (or the person: human) something; no answer is expected. It may first need approval by a person: the result says so, and says if it was denied.',
  input: z.strictObject({
    to,
    message: BodyText,
    priority: Priority.default('normal'),
    in_reply_to: inReplyTo,
    wait,
    idempotency_key: key,
  }),
  output: MessageShape,
  run: async (args, call) => {
    const submit = {
      kind: 'send',
      to: args.to,
      body: args.message,
      priority: args.priority,
      ...optional('inReplyTo', args.in_reply_to),
    } as const;
    return deliver(call, submit, args.idempotency_key, { for: 'decision', seconds: args.wait, expectsAnswer: false });
  },
});

export const chatTool = defineTool({
  name: 'intercom_chat',
  description:
    'Start a conversation with a running agent; go on with your work, its replies come into this session later. To continue a conversation use intercom_reply.',
  input: z.strictObject({ to, message: BodyText, wait, idempotency_key: key }),
  output: MessageShape,
  run: async (args, call) =>
    deliver(call, { kind: 'chat', to: args.to, body: args.message }, args.idempotency_key, {
      for: 'decision',
      seconds: args.wait,
      expectsAnswer: true,
    }),
});

export const replyTool = defineTool({
  name: 'intercom_reply',
  description:
    'Answer in a conversation, with the thread_id of the message that you got. Do not reply just to say thanks.',
  input: z.strictObject({ thread_id: ThreadId, message: BodyText, in_reply_to: inReplyTo, wait, idempotency_key: key }),
  output: MessageShape,
  run: async (args, call) => {
    const submit = {
      kind: 'reply',
      threadId: args.thread_id,
      body: args.message,
      ...optional('inReplyTo', args.in_reply_to),
    } as const;
    return deliver(call, submit, args.idempotency_key, { for: 'decision', seconds: args.wait, expectsAnswer: false });
  },
});

export const askTool = defineTool({
  name: 'intercom_ask',
  description:
    'Ask another agent (or human) a question and wait for its answer. Without an answer in time you get the message_id; the answer then comes into this session. Cancelling the call does not take the question back.',
  input: z.strictObject({
    to,
    message: BodyText,
    timeout: z.number().int().min(1).max(WAIT_MAX).default(300).describe('Seconds to wait for the answer'),
    require_approval: z
      .enum(['auto', 'always'], {
        error:
          'use "auto" (the policy decides) or "always" (ask a person in any case); nobody can ask for less than the policy',
      })
      .default('auto'),
    launch: z
      .enum(['auto', 'never'])
      .default('auto')
      .describe('auto: if nobody works there, an agent may be started to answer; never: wait for a session'),
    in_reply_to: inReplyTo,
    idempotency_key: key,
  }),
  output: MessageShape,
  run: async (args, call) => {
    const submit = {
      kind: 'ask',
      launch: args.launch,
      to: args.to,
      body: args.message,
      requireApproval: args.require_approval,
      ...optional('inReplyTo', args.in_reply_to),
    } as const;
    return deliver(call, submit, args.idempotency_key, { for: 'answer', seconds: args.timeout, expectsAnswer: true });
  },
});

const Step = z.object({
  state: z.string(),
  at: z.string(),
  place: z.string(),
  proof: z.string().optional(),
  rule: z.string().optional(),
  by: z.string().optional(),
  reason: z.string().optional(),
});
/** The newest steps of a message's way that one result holds. */
const STEPS_MAX = 30;

export const statusTool = defineTool({
  name: 'intercom_status',
  description:
    'Where a message is now, since when, what proves it, what it waits for, and its answer; or how a mission stands, and its result.',
  input: z.strictObject({
    mission_id: z.string().max(64).describe('msg_… or mis_…'),
    wait: z
      .number()
      .int()
      .min(0)
      .max(WAIT_MAX)
      .default(0)
      .describe('Seconds to wait for the decision, or the answer to an ask'),
    offset: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe("Character to go on from, in a mission's long result"),
  }),
  output: MissionShape.extend(MessageShape.shape)
    .extend({ steps: z.array(Step), waits_for: z.string() })
    .partial(),
  annotations: { readOnlyHint: true },
  run: async (args, call) => {
    if (isId('mission', args.mission_id)) return missionStatus(call, args.mission_id, args.wait, args.offset);
    const id = messageIdOf(args.mission_id);
    const [before, own] = await Promise.all([traceOf(call, id), ownStatus(call, id)]);
    const asked = before?.message.kind === 'ask';
    const status =
      own === undefined
        ? statusFromTrace(before, id)
        : await waitFor(call, own, asked ? 'answer' : 'decision', args.wait);
    acknowledge(call, status);
    const moved = own !== undefined && status.state !== own.state;
    const trace = moved ? await traceOf(call, id) : before;
    const steps = trace?.steps.slice(-STEPS_MAX) ?? [];
    const waitsFor = trace?.waitsFor ?? 'The hub, which knows the whole way, cannot be reached now.';
    return {
      structured: { ...messageShape(status, asked), steps: steps.map(stepShape), waits_for: waitsFor },
      text: [told(status), waitsFor, ...steps.map(stepLine)].join('\n'),
    };
  },
});

export const MESSAGE_TOOLS: readonly Tool[] = [sendTool, askTool, chatTool, replyTool, statusTool];

interface Patience {
  readonly for: WaitFor;
  readonly seconds: number;
  readonly expectsAnswer: boolean;
}

async function deliver(
  call: ToolCall,
  submit: Omit<z.input<typeof LocalSubmit>, 'idempotencyKey'>,
  givenKey: string | undefined,
  patience: Patience,
): Promise<Answer<typeof MessageShape>> {
  const idempotencyKey = givenKey ?? (call.toolUseId === undefined ? newId('message') : `tool:${call.toolUseId}`);
  const accepted = await call.client.submit({ ...submit, idempotencyKey }, call.signal).catch((error: unknown) => {
    throw withKey(error, idempotencyKey);
  });
  // Nobody can decide while the hub is away; a question may still be worth the wait.
  const pointless = patience.for === 'decision' && hubIsAway(accepted);
  const status = pointless ? accepted : await waitFor(call, accepted, patience.for, patience.seconds);
  acknowledge(call, status);
  const shape = messageShape(status, patience.expectsAnswer);
  if (hasFailed(status.state)) {
    const error = failureOf(status);
    return { structured: { ...shape, error: error.toWire() }, text: errorText(error), isError: true };
  }
  const gaveUp =
    isSettled(status, patience.for) || pointless
      ? ''
      : `\nNo ${patience.for} after ${patience.seconds} s; the message stays in force.`;
  return { structured: shape, text: `${told(status)}${gaveUp}${next(status, patience.expectsAnswer)}` };
}

function next(status: LocalMessageStatus, expectsAnswer: boolean): string {
  const sentence = whatNext(status, expectsAnswer);
  return sentence === undefined ? '' : `\n${sentence}`;
}

/** The state, and the answer if there is one. */
function told(status: LocalMessageStatus): string {
  const head = `${status.id} in ${status.threadId}: ${stateSentence(status)}`;
  const { answer } = messageShape(status, false);
  if (answer === undefined) return head;
  const rest = answer.cut === true ? `\n(cut; intercom_history with ${answer.message_id} gives the rest)` : '';
  return `${head}\n${quoted(answer.text)}${rest}`;
}

function acknowledge(call: ToolCall, status: LocalMessageStatus): void {
  const { offer } = status;
  if (offer !== undefined) call.afterAnswer(() => call.client.acknowledge(offer));
}

function failureOf(status: LocalMessageStatus): IntercomError {
  const byRule = status.decidedBy === undefined || status.decidedBy === 'policy';
  const codes: Readonly<Record<string, ErrorCode>> = {
    denied: byRule && status.rule !== undefined ? 'denied_by_policy' : 'denied',
    expired: 'expired',
    cancelled: 'cancelled',
  };
  const nextStep = whatNext(status, false);
  return new IntercomError(codes[status.state] ?? 'failed', stateSentence(status), {
    ...(nextStep === undefined ? {} : { next: nextStep }),
    details: { message_id: status.id, thread_id: status.threadId },
  });
}

/** When it is not known whether it was taken, the agent needs the key to try again without doing it twice. */
export function withKey(thrown: unknown, idempotencyKey: string): unknown {
  if (!(thrown instanceof IntercomError) || !thrown.retry) return thrown;
  return new IntercomError(thrown.code, thrown.message, {
    ...(thrown.field === undefined ? {} : { field: thrown.field }),
    next: `${thrown.next ?? 'Try again later.'} To try again without sending twice, pass idempotency_key "${idempotencyKey}".`,
    details: { ...thrown.details, idempotency_key: idempotencyKey },
    cause: thrown,
  });
}

export function messageIdOf(text: string): string {
  if (isId('message', text)) return text;
  const hint = isId('thread', text) ? ' That is a thread; intercom_history reads it.' : '';
  throw new IntercomError('invalid_request', `mission_id is not the id of a message.${hint}`, {
    field: 'mission_id',
    next: 'Give the message_id (msg_ and 26 characters) that intercom_send, _ask, _chat or _reply returned.',
  });
}

/** The trace, or undefined while the hub, which keeps it, cannot be reached. */
async function traceOf(call: ToolCall, id: string): Promise<Trace | undefined> {
  try {
    return await call.client.trace(id);
  } catch (error) {
    if (error instanceof IntercomError && error.retry) return undefined;
    if (error instanceof IntercomError && error.code === 'unknown_message') return undefined;
    throw error;
  }
}

/** The state of a message that this machine sent; undefined for one that it got, or does not know. */
async function ownStatus(call: ToolCall, id: string): Promise<LocalMessageStatus | undefined> {
  try {
    return await call.client.message(id);
  } catch (error) {
    if (error instanceof IntercomError && error.code === 'unknown_message') return undefined;
    throw error;
  }
}

function statusFromTrace(trace: Trace | undefined, asked: string): LocalMessageStatus {
  if (trace === undefined) {
    throw new IntercomError('unknown_message', `There is no message ${asked} that you sent or got.`, {
      field: 'mission_id',
      next: 'Look at the message_id again; intercom_history reads a thread.',
    });
  }
  const { message } = trace;
  const { id, threadId, to: recipient, state, stateSince, place } = message;
  return {
    id,
    threadId,
    to: recipient,
    state,
    stateSince,
    place,
    ...optional('reason', message.reason),
    ...optional('rule', message.rule),
    ...optional('decidedBy', message.approvedBy),
  };
}

function stepShape(step: Trace['steps'][number]): z.infer<typeof Step> {
  const { state, at, place, proof, rule, by, reason } = step;
  return {
    state,
    at,
    place,
    ...optional('proof', proof),
    ...optional('rule', rule),
    ...optional('by', by),
    ...optional('reason', reason),
  };
}

function stepLine(step: Trace['steps'][number]): string {
  const facts = [step.rule, step.by === undefined ? undefined : `by ${step.by}`, step.proof, step.reason].filter(
    (fact) => fact !== undefined,
  );
  return `- ${step.at} ${step.state} at ${step.place}${facts.length === 0 ? '' : `: ${facts.join('; ')}`}`;
}
