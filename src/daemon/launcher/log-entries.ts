/** What an agent did, as entries of its mission's log. Pure. */
import type { AgentEvent } from '../agents/program.ts';
import { oneLine } from '../store/one-line.ts';
import type { NewLogEntry } from '../store/mission-rows.ts';

const LABEL_MAX = 300;
const DETAIL_MAX = 8000;
/** Controls but tab and newline: a log is read in terminals too. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;

/** The entry of one event; some are none (a state's own entry tells of them). */
export function logEntry(event: AgentEvent, at: string): NewLogEntry | undefined {
  switch (event.kind) {
    case 'session':
      return {
        at,
        kind: 'note',
        label: oneLine(`Session ${event.session}${event.model === undefined ? '' : `, ${event.model}`}`, LABEL_MAX),
      };
    case 'turn_started':
      return event.prompt === undefined
        ? undefined
        : { at, kind: 'prompt', ...worded(unframed(event.prompt), 'A prompt') };
    case 'text':
      return { at, kind: 'text', ...worded(event.text, 'It said nothing') };
    case 'tool':
      return { at, kind: event.shape, label: oneLine(event.label, LABEL_MAX), ...detailed(event.detail) };
    case 'tool_done':
      return {
        at,
        kind: 'done',
        label: oneLine(`${event.tool} ${event.ok ? 'done' : 'failed'}`, LABEL_MAX),
        ok: event.ok,
        ...detailed(event.detail),
      };
    case 'rate_limited':
      return { at, kind: 'note', ...worded(event.text, 'The model provider asks to wait') };
    case 'turn_ended':
      return { at, kind: 'result', ok: !event.isError, ...worded(event.text, 'The turn ended without a word') };
    case 'waiting':
    case 'ended':
      return undefined;
  }
}

/** Our own frame around a mission's text is no news; what stands in it is. */
function unframed(prompt: string): string {
  const inner = /<intercom-mission [^>]*>\n([\s\S]*)\n<\/intercom-mission>/.exec(prompt)?.[1];
  return inner === undefined ? prompt : inner.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

export function note(at: string, text: string): NewLogEntry {
  return { at, kind: 'note', ...worded(text, 'A note') };
}

function worded(text: string, otherwise: string): { label: string; detail?: string } {
  const label = oneLine(text, LABEL_MAX);
  const whole = text.trim();
  return { label: label === '' ? otherwise : label, ...(whole === label ? {} : detailed(text)) };
}

function detailed(text: string | undefined): { detail?: string } {
  const clean = text?.replace(CONTROL, '').trim() ?? '';
  if (clean === '') return {};
  return { detail: clean.length <= DETAIL_MAX ? clean : `${clean.slice(0, DETAIL_MAX - 1)}…` };
}
