/**
 * The Elicitation hook of Claude Code: an MCP server of the session asks its person to fill in a form.
 *
 * Seen on 2.1.197 and 2.1.329, in a terminal and headless: the form is drawn only when the hook has said nothing. What is no plain form (a page to open, fields of a kind that is
 * not known) stays at the terminal.
 */
import { z } from 'zod';
import type { PermissionAnswer, PermissionAsk } from '../../sessions/agent-port.ts';
import { formContent, formQuestions } from '../form.ts';
import { oneLine } from '../tool-words.ts';

export const FORM_EVENT = 'Elicitation';

const Payload = z.looseObject({
  mcp_server_name: z.string(),
  message: z.string().catch(''),
  mode: z.literal('form').default('form'),
  requested_schema: z.unknown(),
});

export function readForm(payload: unknown): PermissionAsk | undefined {
  const asked = Payload.safeParse(payload).data;
  const questions = formQuestions(asked?.requested_schema);
  if (asked === undefined || questions === undefined) return undefined;
  const { mcp_server_name: server, message } = asked;
  return {
    // No tool's name: no result of a tool says anything of it.
    tool: `form of ${server}`,
    input: asked.requested_schema,
    intent: undefined,
    suggestions: [],
    drawnLater: true,
    question: { source: 'elicitation', summary: oneLine(`${server}: ${message}`, 500), context: message, questions },
  };
}

/** A form is declined without words. */
export function renderForm(payload: unknown, answer: PermissionAnswer): string | undefined {
  const asked = Payload.safeParse(payload).data;
  if (asked === undefined) return undefined;
  if (answer.verdict === 'deny') return printed({ action: 'decline' });
  if (answer.answers === undefined) return undefined;
  return printed({ action: 'accept', content: formContent(asked.requested_schema, answer.answers) });
}

function printed(given: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ hookSpecificOutput: { hookEventName: FORM_EVENT, ...given } });
}
