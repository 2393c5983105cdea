/**
 * An agent that is only known behind the bridge, as delivery and the permission desk see it: its sessions are its runners', its mail goes into its input, and the one
 * hook that it has is the bridge's question for leave.
 *
 * Invariant: its own record is not read, so nothing ever follows from what is not found there; a turn that began with a message is the proof of it.
 */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import type { Session } from '../../../protocol/model.ts';
import type { SessionBook, Unsubscribe } from '../../ports.ts';
import type {
  AgentPort,
  HookFacts,
  InboxChannel,
  PermissionAnswer,
  PermissionAsk,
  ProofSearch,
} from '../../sessions/agent-port.ts';
import { readPermission, renderPermission } from './permission.ts';

const Payload = z.looseObject({ session_id: z.string().refine(isSessionId), cwd: z.string().max(4096).catch('') });

export class AcpPort implements AgentPort {
  readonly name: string;
  readonly #book: SessionBook;

  constructor(name: string, book: SessionBook) {
    this.name = name;
    this.#book = book;
  }

  openInbox(): Promise<InboxChannel> {
    return Promise.reject(new IntercomError('failed', `${this.name} has no inbox of its own.`));
  }

  onReceipt(): Unsubscribe {
    return () => undefined;
  }

  findProof(): Promise<ProofSearch> {
    return Promise.resolve({ readable: false, entered: new Map(), queued: new Set() });
  }

  watchProof(): Unsubscribe {
    return () => undefined;
  }

  hooksHeard(): boolean {
    return false;
  }

  readHook(event: string, payload: unknown): HookFacts | undefined {
    const parsed = Payload.safeParse(payload);
    if (!parsed.success) return undefined;
    return {
      moment: 'other',
      event,
      session: parsed.data.session_id,
      cwd: parsed.data.cwd,
      transcript: undefined,
      permissionMode: undefined,
      subagent: false,
      prompt: undefined,
      reason: undefined,
    };
  }

  noteHook(facts: HookFacts): Promise<Session | undefined> {
    return Promise.resolve(this.#book.get(facts.session));
  }

  renderContext(): string | undefined {
    return undefined;
  }

  readPermission(event: string, payload: unknown): PermissionAsk | undefined {
    return readPermission(event, payload);
  }

  renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
    return renderPermission(event, payload, answer);
  }
}
