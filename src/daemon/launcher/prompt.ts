/**
 * What a mission says to its agent. The text is in a tag that no text can close, below a line that says who asked and who approved it.
 */
import type { DeliverMission } from '../../protocol/daemon-api.ts';
import { escapeAttribute, escapeText } from '../sessions/frame.ts';

/** Said into a conversation that a provider's limit had cut off. */
export const GO_ON = 'The limit of the model provider is over. Go on with your mission where you stopped.';

export function missionPrompt(item: DeliverMission): string {
  const text = item.resume?.text ?? item.spec.text;
  const approval = item.approval === '' ? '' : ` (${escapeAttribute(item.approval)})`;
  const what = item.resume === undefined ? 'Mission' : 'More for your mission';
  return [
    `[intercom] ${what} from ${escapeAttribute(item.requestedBy)}${approval}:`,
    `<intercom-mission id="${escapeAttribute(item.missionId)}" from="${escapeAttribute(item.requestedBy)}">`,
    escapeText(text),
    '</intercom-mission>',
    'Your last message is its result; it is sent back as it stands. Work by yourself as far as you can.',
  ].join('\n');
}
