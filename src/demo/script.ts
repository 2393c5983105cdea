/**
 * What the two demo agents say, and how they and the demo talk to each other (one JSON line per message on the agents' stdin and stdout). They
 * follow this script and nothing else: no model, no network, no file of the person's.
 */
import { z } from 'zod';
import { AddressText } from '../protocol/address.ts';
import { MessageId } from '../protocol/ids.ts';

export const Role = z.enum(['ada', 'ben']);
export type Role = z.infer<typeof Role>;

export const LINES = {
  ada: {
    name: 'Ada (demo agent: not an AI, follows a script)',
    says: 'Hello Ben, Ada here (a demo agent, not an AI). My tests need your server. Which port does it listen on?',
  },
  ben: {
    name: 'Ben (demo agent: not an AI, follows a script)',
    says: 'Hello Ada, Ben here (a demo agent too). It is port 8123. Good luck with the tests!',
  },
} as const satisfies Record<Role, { name: string; says: string }>;

/** What the demo tells an agent. The end of stdin means: stop. */
export const Cue = z.discriminatedUnion('do', [z.object({ do: z.literal('talk'), to: AddressText })]);
export type Cue = z.infer<typeof Cue>;

/** What an agent tells the demo, as it happens. */
export const Happening = z.discriminatedUnion('what', [
  z.object({ what: z.literal('ready'), address: AddressText }),
  /** It calls a tool to send a text. */
  z.object({ what: z.literal('sends'), tool: z.string(), text: z.string() }),
  /** The tool said that a person has to approve it. */
  z.object({ what: z.literal('held'), messageId: MessageId }),
  /** The tool said that it may go on. `asked`: a person was asked. */
  z.object({
    what: z.literal('allowed'),
    messageId: MessageId,
    asked: z.boolean(),
    by: z.string().optional(),
    rule: z.string().optional(),
  }),
  /** The tool said that it ended without arriving; the text is the tool's. */
  z.object({ what: z.literal('refused'), messageId: MessageId, text: z.string() }),
  /** intercom_check_inbox gave it a message. */
  z.object({ what: z.literal('received'), messageId: MessageId, from: AddressText, text: z.string() }),
  z.object({ what: z.literal('failed'), text: z.string() }),
]);
export type Happening = z.infer<typeof Happening>;

/** Reads one line; undefined: it is not one of ours. */
export function readLine<T>(schema: z.ZodType<T>, line: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
