/**
 * An agent on paper: an inbox, a record of its conversation and a queue, which a test moves by hand. It says only what a real agent
 * would: nothing about what it takes at once, receipts about what it does not.
 */
import type { Unsubscribe } from '../../../src/daemon/ports.ts';
import type {
  AgentPort,
  HookFacts,
  InboxChannel,
  ProofSearch,
  ReceiptStatus,
  Wake,
  WakeReceipt,
} from '../../../src/daemon/sessions/agent-port.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import type { Session } from '../../../src/protocol/model.ts';

/** take: into the conversation at once · queue: later · lose: nowhere · closed: no way in. */
export type Behaviour = 'take' | 'queue' | 'lose' | 'closed';

export class PaperAgent implements AgentPort {
  readonly name = 'paper';
  behaviour: Behaviour = 'take';
  readable = true;
  /** Every write, in order. */
  readonly wakes: { readonly session: string; readonly wake: Wake }[] = [];
  readonly heard = new Set<string>();
  readonly #record = new Map<string, string[]>();
  readonly #queue = new Map<string, string[]>();
  readonly #watchers = new Set<() => void>();
  readonly #receipts = new Set<(receipt: WakeReceipt) => void>();

  /** The conversation as its model sees it. */
  conversation(session: string): string {
    return (this.#record.get(session) ?? []).join('\n');
  }

  enter(session: string, text: string): void {
    this.#record.set(session, [...(this.#record.get(session) ?? []), text]);
    for (const look of [...this.#watchers]) look();
  }

  /** Its turn comes to what lies in the queue. */
  takeUp(session: string): void {
    for (const text of this.#queue.get(session)?.splice(0) ?? []) this.enter(session, text);
  }

  tell(wake: Wake, status: ReceiptStatus): void {
    for (const listener of [...this.#receipts]) listener({ wakeIds: [wake.id], status, reason: `paper: ${status}` });
  }

  async openInbox(session: Session): Promise<InboxChannel> {
    if (this.behaviour === 'closed') throw new IntercomError('unreachable', 'The inbox is closed.');
    return {
      send: async (wake) => {
        this.wakes.push({ session: session.id, wake });
        if (this.behaviour === 'take') this.enter(session.id, wake.text);
        if (this.behaviour === 'queue')
          this.#queue.set(session.id, [...(this.#queue.get(session.id) ?? []), wake.text]);
      },
      close: () => undefined,
    };
  }

  onReceipt(listener: (receipt: WakeReceipt) => void): Unsubscribe {
    this.#receipts.add(listener);
    return () => this.#receipts.delete(listener);
  }

  async findProof(session: string, messageIds: readonly string[]): Promise<ProofSearch> {
    const queue = (this.#queue.get(session) ?? []).join('\n');
    return {
      readable: this.readable,
      entered: new Map(
        this.readable
          ? messageIds.filter((id) => this.conversation(session).includes(id)).map((id) => [id, 'the record'])
          : [],
      ),
      queued: new Set(messageIds.filter((id) => queue.includes(id))),
    };
  }

  watchProof(
    session: string,
    messageIds: readonly string[],
    onProof: (messageId: string, proof: string) => void,
  ): Unsubscribe {
    const look = () => {
      if (!this.readable) return;
      for (const id of messageIds) if (this.conversation(session).includes(id)) onProof(id, 'the record');
    };
    this.#watchers.add(look);
    look();
    return () => this.#watchers.delete(look);
  }

  hooksHeard(session: string): boolean {
    return this.heard.has(session);
  }

  readHook(): HookFacts | undefined {
    return undefined;
  }

  async noteHook(): Promise<Session | undefined> {
    return undefined;
  }

  renderContext(_facts: HookFacts, text: string): string | undefined {
    return text;
  }
}
