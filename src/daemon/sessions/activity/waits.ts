/**
 * What a session waits for, as its events told: several at once (subagents, parallel calls), each ended by what ends it. Pure.
 *
 * Invariants: a wait is ended by the end of its own call, by the next prompt, end or failure of the turn of the agent that asked, or by the newer word of the agent's record;
 * one that the record only seems to end comes back when the record says at once that the session still waits (the next of several dialogs); the oldest open one is
 * what is told, so that never an answered one is shown.
 */
import { createHash } from 'node:crypto';
import type { SessionWait } from '../../../protocol/attention.ts';
import { stable } from '../open-dialog.ts';
import type { EventSeen, RecordSeen, ToolCall } from './observations.ts';

/** Between two dialogs of a session its record may say for a moment that it works. */
const BETWEEN_DIALOGS_MS = 1500;
/** Hooks and record tell of the same dialog within this, in either order. */
const TOGETHER_MS = 1000;
const WAITS_MAX = 100;

/** The tool of a wait whose agent does not name it: what its agent does next shows that it is over. */
export const UNNAMED = '';

export interface OpenWait {
  readonly wait: SessionWait;
  readonly at: number;
  readonly source: EventSeen['source'];
  /** The subagent that asked. */
  readonly agentId: string | undefined;
  readonly tool: string;
  readonly id: string | undefined;
  /** Stands for the call's input. */
  readonly input: string;
  /** The agent's record told of it too: what it says next is about this one. */
  readonly shown: boolean;
  /** The record says since then that the session does not wait. */
  readonly doubted: number | undefined;
}

export function inputMark(input: unknown): string {
  return createHash('sha256')
    .update(stable(input ?? null))
    .digest('base64');
}

export function asked(
  waits: readonly OpenWait[],
  event: EventSeen,
  wait: SessionWait,
  call: ToolCall,
  record: RecordSeen | undefined,
): readonly OpenWait[] {
  const says = record === undefined || record.says === 'waiting' ? undefined : record.at;
  const added: OpenWait = {
    wait,
    at: event.at,
    source: event.source,
    agentId: event.agentId,
    tool: call.tool,
    id: call.id,
    input: inputMark(call.input),
    shown: record?.says === 'waiting' && Math.abs(record.at - event.at) < TOGETHER_MS,
    doubted: says !== undefined && says > event.at && event.agentId === undefined ? says : undefined,
  };
  const others = waits.filter((one) => one.doubted === undefined || event.at - one.doubted < BETWEEN_DIALOGS_MS);
  return [...others, added].slice(-WAITS_MAX);
}

/** The call was made, refused or answered: one wait of its agent is over. */
export function withoutCall(
  waits: readonly OpenWait[],
  call: ToolCall,
  agentId: string | undefined,
): readonly OpenWait[] {
  const own = waits.filter((one) => one.agentId === agentId && (one.tool === call.tool || one.tool === UNNAMED));
  const byId = call.id === undefined ? undefined : own.find(({ id }) => id === call.id);
  const input = byId === undefined ? inputMark(call.input) : '';
  const fits = (one: OpenWait): boolean =>
    // A question comes back with its answers in its input.
    one.input === input || one.tool === UNNAMED || one.wait.kind !== 'permission';
  const over = byId ?? own.find(fits);
  return over === undefined ? waits : waits.filter((one) => one !== over);
}

/** Its agent went on: what it asked without naming a tool is over. */
export function withoutUnnamed(waits: readonly OpenWait[], agentId: string | undefined): readonly OpenWait[] {
  return waits.filter((one) => one.agentId !== agentId || one.tool !== UNNAMED);
}

export function withoutAgent(waits: readonly OpenWait[], agentId: string | undefined): readonly OpenWait[] {
  return waits.filter((one) => one.agentId !== agentId);
}

/** What the agent's record says about them. What a subagent asks is only known to it once its dialog was shown. */
export function afterRecord(waits: readonly OpenWait[], record: RecordSeen): readonly OpenWait[] {
  const { at, says } = record;
  if (says !== 'waiting') {
    return waits.map((one) => {
      const meant = one.at < at && one.doubted === undefined && (one.agentId === undefined || one.shown);
      return meant ? { ...one, doubted: at } : one;
    });
  }
  const left = waits.filter((one) => one.doubted === undefined || at - one.doubted < BETWEEN_DIALOGS_MS);
  // It was the oldest that somebody answered; the next is on the screen now.
  const answered = left.find((one) => one.doubted !== undefined);
  const open = left.filter((one) => one !== answered);
  return open.map((one) => ({
    ...one,
    doubted: undefined,
    shown: one.shown || open.length === 1 || one.agentId === undefined,
  }));
}

/** The oldest that nobody has answered. */
export function oldestOpen(waits: readonly OpenWait[]): OpenWait | undefined {
  return waits.find(({ doubted }) => doubted === undefined);
}
