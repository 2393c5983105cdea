/** How a message was handed to a session, in words for its trace. Pure. */
import type { HookFacts } from './agent-port.ts';
import { DOORBELL_TEXT } from './doorbell.ts';
import type { Rung } from './proof-desk.ts';

/** `by`: what `hookWords` says of the hook that took it, when the rung is `hooks`. */
export function wayWords(rung: Rung, session: string | undefined, by = 'by a hook'): string {
  // As everywhere else, eight characters are enough to tell the sessions of a machine apart.
  const who = session === undefined ? 'an agent of the project' : `session #${session.slice(0, 8)}`;
  switch (rung) {
    case 'inbox_socket':
      return `by the inbox socket of ${who}`;
    case 'app_server':
      return `by the app-server of ${who}`;
    case 'stream':
      return `by the input of ${who}`;
    case 'typed':
      return `typed into the terminal of ${who}`;
    case 'hooks':
      return `${by} of ${who}`;
    case 'pull':
      return `${who} asked for its mail`;
    case 'answer':
      return 'as the answer to the call that waited for it';
  }
}

/** At which moment of the session its hook fired: with a prompt of its person, woken by us, or within a turn. */
export function hookWords(facts: HookFacts): string {
  const hook = `by the ${facts.event} hook`;
  if (facts.moment === 'tool_done') return `with a tool’s result, ${hook}`;
  if (facts.moment !== 'prompt') return hook;
  return facts.prompt?.includes(DOORBELL_TEXT) === true
    ? `woken by the doorbell, ${hook}`
    : `with its next prompt, ${hook}`;
}
