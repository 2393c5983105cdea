/** How mail gets into a Claude Code session: decided from what is known about it, and said in words when it is not the best way. */
import type { DeliveryRung } from '../../../protocol/model.ts';

/** Sessions have an inbox socket since this version. */
export const INBOX_SOCKET_SINCE = '2.1.224';

export interface RungFacts {
  readonly newEnough: boolean;
  /** Why the socket cannot be used; undefined: it was verified. */
  readonly socketFault: string | undefined;
  readonly permissionMode: string | undefined;
  readonly headless: boolean;
  /** Its input is a stream of ours. */
  readonly ourStream: boolean;
  /** A hook of ours was heard from this session, or they are in the settings that it reads. */
  readonly hooks: boolean;
  /** `crossSessionInbound` as far as it can be seen. */
  readonly inbound: 'accept' | 'hold' | 'refuse' | undefined;
}

export interface RungChoice {
  readonly rung: DeliveryRung;
  readonly rungNote: string | undefined;
}

export function decideRung(facts: RungFacts): RungChoice {
  if (facts.ourStream) return { rung: 'stream', rungNote: undefined };
  if (facts.headless) {
    return {
      rung: 'pull',
      rungNote: 'A run without a person (claude -p): it gets its mail when it asks with intercom_check_inbox.',
    };
  }
  if (facts.newEnough && facts.socketFault === undefined) return bySocket(facts);
  const why = facts.newEnough
    ? `The inbox socket cannot be used: ${facts.socketFault ?? 'unknown'}.`
    : `This Claude Code is older than ${INBOX_SOCKET_SINCE} and has no inbox socket.`;
  if (facts.hooks)
    return { rung: 'hooks', rungNote: `${why} Mail comes by its hooks; the doorbell wakes it when it is idle.` };
  return {
    rung: 'pull',
    rungNote: `${why} Run "intercom hooks install" and restart the session so that mail reaches it by itself.`,
  };
}

function bySocket(facts: RungFacts): RungChoice {
  // A person's own setting about messages from outside is respected, not walked around.
  if (facts.inbound === 'refuse') {
    return {
      rung: 'inbox_socket',
      rungNote: 'Its setting crossSessionInbound is "refuse": messages fail until that is changed.',
    };
  }
  if (facts.inbound === 'hold') {
    return {
      rung: 'inbox_socket',
      rungNote: 'Its setting crossSessionInbound is "hold": messages wait at its terminal until that is changed.',
    };
  }
  if (facts.permissionMode === 'bypassPermissions' && facts.inbound !== 'accept') {
    if (facts.hooks) {
      return {
        rung: 'hooks',
        rungNote: 'It bypasses permissions and would hold what its inbox gets, so its hooks bring the mail.',
      };
    }
    return {
      rung: 'inbox_socket',
      rungNote:
        'It bypasses permissions: Claude Code asks at the terminal before it lets a message in. "intercom hooks install" avoids that.',
    };
  }
  return { rung: 'inbox_socket', rungNote: undefined };
}
