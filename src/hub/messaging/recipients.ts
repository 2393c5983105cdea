/**
 * Who a message goes to. Everything that is wrong with a recipient is an error before anything is stored.
 *
 * Invariants: nothing is guessed: an ambiguous session or a thread with several other sides is an error that names the choices; a revoked
 * machine gets nothing; a reply without `to` goes to the other side of its thread, to the session that wrote, while that lives.
 */
import { formatAddress, parseAddress, type Address, type AgentAddress } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { latestInThread } from '../store/messages.ts';
import { hasProject, sessionsByPrefix } from '../store/machines.ts';
import type { MessageRow } from '../store/schema.ts';
import { participantsOf } from '../store/threads.ts';
import type { MessagingParts } from './context.ts';
import { isSameParty } from './participants.ts';
import type { MessageUnit } from './unit.ts';

export interface Recipient {
  readonly address: Address;
  readonly binding: 'exact' | 'preferred';
}

const LIST_AGENTS = 'intercom_list_agents (or `intercom agents`) lists those that exist.';

export class Recipients {
  readonly #parts: MessagingParts;

  constructor(parts: MessagingParts) {
    this.#parts = parts;
  }

  /** The recipient that was named. Throws `unknown_machine`, `unknown_project`, `unknown_session`, `ambiguous` or `revoked`. */
  async named(unit: MessageUnit, text: string, sender: Address): Promise<Recipient> {
    const address = parseAddress(text);
    if (address.kind === 'human') {
      if (address.name !== undefined && this.#parts.knowsOperator?.(address.name) === false) {
        throw new IntercomError('invalid_request', `There is no operator called "${address.name}".`, {
          field: 'to',
          next: 'Write to "human" to reach all operators.',
        });
      }
      return { address, binding: 'exact' };
    }
    this.#checkMachine(address.machine);
    if (!(await hasProject(unit.db, address.machine, address.project))) {
      throw new IntercomError('unknown_project', `${address.machine} has no project "${address.project}".`, {
        field: 'to',
        next: LIST_AGENTS,
      });
    }
    if (address.session === undefined) return { address, binding: 'exact' };
    const exact: AgentAddress = { ...address, session: await this.#session(unit, address, address.session) };
    if (sender.kind === 'agent' && formatAddress(sender) === formatAddress(exact)) {
      throw new IntercomError('invalid_request', 'That is your own session.', { field: 'to', next: LIST_AGENTS });
    }
    return { address: exact, binding: 'exact' };
  }

  /** The other side of the message that is answered, or of the thread. */
  async implied(
    unit: MessageUnit,
    threadId: string | undefined,
    original: MessageRow | undefined,
    sender: Address,
  ): Promise<Recipient> {
    const text = original === undefined ? await this.#otherSide(unit, threadId, sender) : otherSideOf(original, sender);
    const address = parseAddress(text);
    if (address.kind === 'agent') this.#checkMachine(address.machine);
    return { address, binding: 'preferred' };
  }

  async #otherSide(unit: MessageUnit, threadId: string | undefined, sender: Address): Promise<string> {
    const thread = threadId === undefined ? undefined : await unit.thread(threadId);
    if (thread === undefined) {
      throw new IntercomError('invalid_request', 'It does not say to whom it goes.', {
        field: 'to',
        next: 'Give `to` (machine/project), or the thread or message that this answers.',
      });
    }
    if (!isSameParty(thread.last_from, sender)) return thread.last_from;
    const latest = (await latestInThread(unit.db, thread.id)).find((row) => !isSameParty(row.sender, sender));
    if (latest !== undefined) return latest.sender;
    const others = participantsOf(thread).filter((participant) => !isSameParty(participant, sender));
    const [only] = others;
    if (only !== undefined && others.length === 1) return only;
    throw new IntercomError('ambiguous', 'This thread has no single other side.', {
      field: 'to',
      next: `Give \`to\`; in this thread are: ${others.slice(0, 10).join(', ') || 'only you'}.`,
      details: { participants: others },
    });
  }

  #checkMachine(machine: string): void {
    const standing = this.#parts.directory.standing(machine);
    if (standing === 'member') return;
    if (standing === 'revoked') {
      throw new IntercomError('revoked', `The machine ${machine} was revoked and gets no messages.`, {
        field: 'to',
        next: LIST_AGENTS,
      });
    }
    throw new IntercomError('unknown_machine', `There is no machine "${machine}" in this mesh.`, {
      field: 'to',
      next: LIST_AGENTS,
    });
  }

  async #session(unit: MessageUnit, agent: AgentAddress, given: string): Promise<string> {
    const found = (await sessionsByPrefix(unit.db, agent.machine, given)).filter(
      (session) => session.project === agent.project,
    );
    const live = found.filter((session) => session.state !== 'ended');
    const exact = found.find((session) => session.id === given);
    const candidates = exact === undefined ? live : [exact];
    const [first] = candidates;
    if (first === undefined || first.state === 'ended') {
      const why = found.length > 0 ? 'has ended' : 'does not exist';
      throw new IntercomError('unknown_session', `The session ${given} of ${agent.machine}/${agent.project} ${why}.`, {
        field: 'to',
        next: `Write to ${agent.machine}/${agent.project} to reach whoever works there. ${LIST_AGENTS}`,
      });
    }
    if (candidates.length > 1) {
      const ids = candidates.map((session) => session.id);
      throw new IntercomError('ambiguous', `More than one session begins with "${given}".`, {
        field: 'to',
        next: `Give more of the id: ${ids.slice(0, 5).join(', ')}.`,
        details: { sessions: ids },
      });
    }
    return first.id;
  }
}

function otherSideOf(original: MessageRow, sender: Address): string {
  return isSameParty(original.recipient, sender) ? original.sender : original.recipient;
}
