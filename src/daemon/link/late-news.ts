/**
 * Tells a session that a message which was accepted on this machine came to nothing later: as a notice in its own inbox, because the call
 * that handed the message in is long over.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import { newId } from '../../protocol/ids.ts';
import { DEFAULT_EXPIRY_SECONDS } from '../../protocol/limits.ts';
import type { MessageStatus, SubmitItem } from '../../protocol/machine-api.ts';
import { lineText } from '../../protocol/text.ts';

const QUOTED_MAX = 120;

export function lateNotice(machineId: string, item: SubmitItem, status: MessageStatus, clock: Clock): DeliverMessage {
  const now = clock.now();
  const reason = status.reason === undefined ? '' : ` (${status.reason})`;
  return {
    item: 'message',
    id: newId('message'),
    threadId: status.threadId,
    kind: 'notice',
    from: `${machineId}/${item.fromProject}`,
    project: item.fromProject,
    ...(item.fromSession === undefined ? {} : { session: item.fromSession }),
    binding: 'preferred',
    body:
      `Your message ${item.id} to ${status.to}, which this machine kept while the hub was away, was not delivered: ` +
      `${status.state}${reason}. It began: "${beginning(item.body)}"`,
    priority: 'normal',
    inReplyTo: item.id,
    approval: 'written by intercom on this machine',
    depth: 0,
    sentAt: isoTime(now),
    expiresAt: isoTime(now + DEFAULT_EXPIRY_SECONDS * 1000),
  };
}

function beginning(body: string): string {
  const line = body.replace(/[\p{C}\s]+/gu, ' ').trim();
  const cut = line.length <= QUOTED_MAX ? line : `${line.slice(0, QUOTED_MAX)}…`;
  return lineText(QUOTED_MAX + 1).safeParse(cut).success ? cut : '…';
}
