/**
 * What the bridge (bridge.ts) and those who drive it say to each other, one JSON object per line: what it prints becomes journal entries of the kind
 * `line`, what it reads is what the daemon writes into a headless agent's input. One language for every agent that speaks the Agent Client Protocol.
 */
import { z } from 'zod';
import { MissionUsage } from '../../../protocol/mission.ts';

/** What the bridge prints. */
export const BridgeLine = z.discriminatedUnion('event', [
  z.object({ event: z.literal('session'), session: z.string(), model: z.string().optional() }),
  /** The agent has taken this text; `id` as it was given with it. */
  z.object({ event: z.literal('turn_started'), prompt: z.string(), id: z.string().optional() }),
  /** Something that it said, whole: until it did something else. */
  z.object({ event: z.literal('text'), text: z.string() }),
  z.object({
    event: z.literal('tool'),
    call: z.string(),
    /** read, edit, execute, … */
    kind: z.string(),
    title: z.string(),
    detail: z.string().optional(),
  }),
  z.object({
    event: z.literal('tool_done'),
    call: z.string(),
    kind: z.string(),
    title: z.string(),
    ok: z.boolean(),
    detail: z.string().optional(),
  }),
  z.object({
    event: z.literal('turn_ended'),
    /** end_turn, cancelled, refusal, max_tokens, max_turn_requests. */
    stop: z.string(),
    text: z.string(),
    usage: MissionUsage.optional(),
    costUsd: z.number().nonnegative().optional(),
  }),
  /** The turn, or the start, failed. */
  z.object({ event: z.literal('failed'), code: z.number().optional(), text: z.string() }),
  /** Something that a person may want to know and that changes nothing. */
  z.object({ event: z.literal('note'), text: z.string() }),
]);
export type BridgeLine = z.infer<typeof BridgeLine>;

/** A prompt, taken up when the turn before it has ended. */
const Prompt = z.object({ say: z.string().min(1), id: z.string().optional() });
export type Prompt = z.infer<typeof Prompt>;
/** What the bridge reads. `interrupt` ends the turn and nothing else. */
export const BridgeInput = z.union([Prompt, z.object({ interrupt: z.literal(true) })]);
export type BridgeInput = z.infer<typeof BridgeInput>;

export function inputLine(text: string, id: string | undefined): string {
  return JSON.stringify({ say: text, ...(id === undefined ? {} : { id }) } satisfies BridgeInput);
}

export function interruptLine(): string {
  return JSON.stringify({ interrupt: true } satisfies BridgeInput);
}

/** What the bridge is told in its file (`bridge.json`, beside the spec). */
export const BridgeConfig = z.object({
  /** The agent as the person knows it, for the words of errors. */
  agent: z.string(),
  cwd: z.string(),
  /** Go on with this session. */
  resume: z.string().optional(),
  /** Gemini CLI's own folder: before a session is loaded, see gemini/record-clash.ts. */
  geminiDir: z.string().optional(),
  /** Switch to this session mode (the agent's own name of it) after the start. */
  mode: z.string().optional(),
  mcpServers: z
    .array(
      z.object({
        name: z.string(),
        command: z.string(),
        args: z.array(z.string()),
        /** Variables of the bridge's own environment that the server is given: no value stands in a file. */
        environment: z.array(z.string()),
      }),
    )
    .default([]),
});
export type BridgeConfig = z.infer<typeof BridgeConfig>;
