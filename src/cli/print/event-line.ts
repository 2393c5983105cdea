/** One event of the hub's log as one line for a person. */
import type { HubEvent } from '../../protocol/events.ts';
import { cut, safe } from './style.ts';
import type { Style } from './style.ts';
import { clockTime } from './time.ts';
import { approvalTitle, paintState, plural, sessionWords, stateWords } from './words.ts';

export function eventLine(event: HubEvent, now: number, columns: number, style: Style): string {
  const { mark, text } = sentence(event, style);
  const time = clockTime(event.at, now);
  return `${style.dim(time)} ${mark} ${cut(text, Math.max(20, columns - time.length - 4))}`;
}

/** The mark is coloured; the text stays plain, so that it can be cut. */
function sentence(event: HubEvent, style: Style): { mark: string; text: string } {
  switch (event.type) {
    case 'message.changed': {
      const { message, step } = event;
      const why = step.reason === undefined ? '' : ` (${safe(step.reason)})`;
      return {
        mark: paintState(step.state, style)('✉'),
        text: `${short(message.from)} → ${short(message.to)} ${stateWords(step.state)}${why}: ${safe(message.body)}`,
      };
    }
    case 'approval.changed': {
      const { approval } = event;
      const { decision } = approval;
      const by = decision === undefined ? '' : ` by ${safe(decision.by)} via ${decision.via}`;
      return {
        mark: paintState(approval.state, style)('?'),
        text: `${approval.kind} ${approval.state.replaceAll('_', ' ')}${by}: ${approvalTitle(approval)}`,
      };
    }
    case 'machine.changed':
      return {
        mark: paintState(event.machine.status, style)('▣'),
        text: `machine ${safe(event.machine.id)} is ${event.machine.status}`,
      };
    case 'machine.removed':
      return { mark: style.red('▣'), text: `machine ${safe(event.machineId)} was removed` };
    case 'projects.changed':
      return {
        mark: style.blue('▤'),
        text: `${safe(event.machineId)} has ${plural(event.projects.length, 'project')}`,
      };
    case 'session.changed': {
      const { session } = event;
      const where = `${safe(event.machineId)}/${safe(session.project)}#${session.id.slice(0, 8)}`;
      return { mark: paintState(session.state, style)('▸'), text: `${where} ${sessionWords(session)}` };
    }
    case 'grant.changed': {
      const { grant } = event;
      const what = grant.revokedAt === undefined ? `may ${grant.covers} (${grant.scope})` : 'is asked about again';
      return { mark: style.blue('⚑'), text: `${safe(grant.from)} → ${safe(grant.to)} ${what}` };
    }
    case 'policy.changed':
      return event.fault === undefined
        ? { mark: style.blue('⚑'), text: `policy read: ${plural(event.rules, 'rule')}` }
        : { mark: style.red('⚑'), text: `policy file faulty, older rules hold: ${safe(event.fault)}` };
    case 'mission.changed': {
      const { mission } = event;
      const why = mission.reason === undefined ? '' : ` (${safe(mission.reason)})`;
      return {
        mark: paintState(mission.state, style)('▶'),
        text: `mission at ${safe(mission.machine)}/${safe(mission.project)} ${mission.state.replaceAll('_', ' ')}${why}: ${safe(mission.text)}`,
      };
    }
    case 'mission.log':
      return {
        mark: style.dim('┊'),
        text: `${event.missionId.slice(0, 12)} ${event.entries.map(({ label }) => safe(label)).join(' · ')}`,
      };
    case 'wait.changed': {
      const { wait } = event;
      const where = `${safe(wait.machine)}/${safe(wait.project)}#${wait.session.slice(0, 8)}`;
      return wait.until === undefined
        ? { mark: style.yellow('⧖'), text: `${where} waits: ${safe(wait.what)}` }
        : { mark: style.dim('⧖'), text: `${where} waits no more: ${safe(wait.what)}` };
    }
    case 'usage.changed':
      return { mark: style.dim('∑'), text: `${safe(event.machineId)} tells its usage` };
    case 'announcement':
      return { mark: style.blue('♪'), text: `${short(event.announcement.from)}: ${safe(event.announcement.text)}` };
    case 'system.notice': {
      const over = event.notice.clearedAt === undefined ? '' : 'over: ';
      return {
        mark: (event.notice.level === 'error' ? style.red : style.yellow)('!'),
        text: `${over}${safe(event.notice.text)}`,
      };
    }
  }
}

/** An address whose session is shown by its beginning, as in the listings. */
function short(address: string): string {
  const [agent = '', session] = address.split('#');
  return safe(session === undefined ? agent : `${agent}#${session.slice(0, 8)}`);
}
