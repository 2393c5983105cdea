/**
 * What Codex asks its person, carried to whoever decides and back: leave for commands and patches (`item/…/requestApproval`), questions with choices, forms of MCP servers.
 *
 * Invariants: a question is open on the terminal and here at the same time, and the first answer counts, as the program itself has it; what is answered is what was asked (same request,
 * same item); an "always" is given back exactly as Codex offered it and never made up; a question of a kind that we do not know is left to the terminal; a refusal is `decline`, so that
 * the agent goes on and can say why it stopped. `decline` has no room for words (Codex 0.169.0): by whom and why is said into the turn that waits, just before, so that its model reads
 * both together.
 */
import { createHash } from 'node:crypto';
import type { Log } from '../../../platform/log.ts';
import type { QuestionAnswer } from '../../../protocol/attention.ts';
import type { PermissionAsk } from '../../sessions/agent-port.ts';
import { oneLine } from '../tool-words.ts';
import type { ServerRequest } from './connection.ts';
import {
  ApprovalDecision,
  CommandApprovalParams,
  ElicitationParams,
  FileApprovalParams,
  FileChangeItem,
  UserInputParams,
} from './protocol/messages.ts';
import type { RequestId } from './protocol/messages.ts';
import { elicited, elicitedAnswer, inputAnswer, inputQuestions } from './questions.ts';
import { shellScript } from './shell-script.ts';

/** An open dialog of a session, as whoever decides is asked. */
export interface Dialog {
  /** The same for the same question, also after a restart of the daemon. */
  readonly ref: string;
  readonly session: string;
  readonly ask: PermissionAsk;
  /** Throws an IntercomError whose message says why it cannot be answered so. */
  readonly check?: ((verdict: DialogVerdict) => void) | undefined;
}

export interface DialogVerdict {
  readonly verdict: 'allow' | 'deny';
  /** Which of the suggestions was taken. */
  readonly suggestion?: number | undefined;
  /** To questions. */
  readonly answers?: readonly QuestionAnswer[] | undefined;
  /** By whom it was denied, and why. */
  readonly message?: string | undefined;
}

/** The side that decides (the permission desk). */
export interface DialogDesk {
  /** `answer` is called at most once; false from it: it was answered elsewhere first. */
  open(dialog: Dialog, answer: (verdict: DialogVerdict) => boolean): void;
  /** answered_elsewhere: at the terminal · withdrawn: the question is gone. Unknown refs are fine. */
  close(ref: string, outcome: 'answered_elsewhere' | 'withdrawn'): void;
}

/** The server that asked. */
export interface AskingServer {
  answer(id: RequestId, result: unknown): void;
  /** Says something into a turn that runs. Rejects when it did not take it. */
  tell(threadId: string, turnId: string, clientId: string, text: string): Promise<void>;
}

interface Open {
  readonly ref: string;
  readonly session: string;
  readonly id: RequestId;
  answered: boolean;
}

/** Questions that are open at once on one server; more stay at the terminal alone. */
const OPEN_MAX = 200;

export class CodexApprovals {
  readonly #desk: DialogDesk;
  readonly #server: AskingServer;
  readonly #log: Log;
  readonly #open = new Map<RequestId, Open>();

  /** One of these per server. */
  constructor(desk: DialogDesk, server: AskingServer, log: Log) {
    this.#desk = desk;
    this.#server = server;
    this.#log = log;
  }

  asked(request: ServerRequest, item: unknown): void {
    const question = read(request, item);
    if (question === undefined || this.#open.size >= OPEN_MAX) return;
    // A new subscription is told of what is open already.
    if (this.#open.get(request.id)?.ref === question.dialog.ref) return;
    const open: Open = { ref: question.dialog.ref, session: question.dialog.session, id: request.id, answered: false };
    this.#open.set(request.id, open);
    this.#desk.open(question.dialog, (verdict) => {
      if (this.#open.get(request.id) !== open || open.answered) return false;
      open.answered = true;
      this.#answer(open, question, verdict).catch((err: unknown) =>
        this.#log.warn({ err }, 'Codex could not be answered; its terminal can'),
      );
      return true;
    });
  }

  async #answer(open: Open, { result, turn }: Question, verdict: DialogVerdict): Promise<void> {
    if (verdict.verdict === 'deny' && verdict.message !== undefined && turn !== undefined) {
      const told = this.#server.tell(open.session, turn, open.ref, verdict.message);
      await told.catch((err: unknown) => this.#log.info({ err }, 'Codex was not told why it was denied something'));
      // Meanwhile it may be over, and its number be another question's.
      if (this.#open.get(open.id) !== open) return;
    }
    this.#server.answer(open.id, result(verdict));
  }

  resolved(id: RequestId): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    if (!open.answered) this.#desk.close(open.ref, 'answered_elsewhere');
  }

  /** The session ended, or its server is gone: nobody can answer any more. Without a session: all. */
  gone(session?: string): void {
    for (const open of [...this.#open.values()]) {
      if (session !== undefined && open.session !== session) continue;
      this.#open.delete(open.id);
      if (!open.answered) this.#desk.close(open.ref, 'withdrawn');
    }
  }
}

interface Question {
  readonly dialog: Dialog;
  /** What the server is answered. */
  readonly result: (verdict: DialogVerdict) => unknown;
  /** The turn that waits, where a refusal's words have no room in the answer. */
  readonly turn?: string | undefined;
}

function read(request: ServerRequest, item: unknown): Question | undefined {
  if (request.method === 'item/commandExecution/requestApproval') {
    const asked = CommandApprovalParams.safeParse(request.params);
    return asked.success ? commandQuestion(asked.data) : undefined;
  }
  if (request.method === 'item/fileChange/requestApproval') {
    const asked = FileApprovalParams.safeParse(request.params);
    return asked.success ? fileQuestion(asked.data, item) : undefined;
  }
  if (request.method === 'item/tool/requestUserInput') {
    const asked = UserInputParams.safeParse(request.params);
    return asked.success ? choiceQuestion(asked.data) : undefined;
  }
  if (request.method === 'mcpServer/elicitation/request') {
    const asked = ElicitationParams.safeParse(request.params);
    return asked.success ? formQuestion(asked.data, request.id) : undefined;
  }
  return undefined;
}

/** `offers`: the decisions behind the suggestions, in their order. */
function decided(offers: readonly ApprovalDecision[]): Question['result'] {
  return ({ verdict, suggestion }) => {
    const offered = suggestion === undefined ? undefined : offers[suggestion];
    return { decision: verdict === 'deny' ? 'decline' : (offered ?? 'accept') };
  };
}

function choiceQuestion(asked: UserInputParams): Question | undefined {
  const question = inputQuestions(asked);
  if (question === undefined) return undefined;
  const ask = { tool: 'request_user_input', input: asked.questions, intent: undefined, suggestions: [], question };
  return {
    dialog: { ref: refOf(asked), session: asked.threadId, ask },
    result: (verdict) => inputAnswer(asked, verdict),
  };
}

function formQuestion(asked: ElicitationParams, id: RequestId): Question | undefined {
  const question = elicited(asked);
  if (question === undefined) return undefined;
  const { serverName, requestedSchema: input, threadId, turnId } = asked;
  const ask = { tool: `form of ${serverName}`, input, intent: undefined, suggestions: [], question };
  const result = (verdict: DialogVerdict) => elicitedAnswer(asked, verdict);
  const ref = refOf({ threadId, turnId: turnId ?? '', itemId: `${serverName} ${id}` });
  return {
    dialog: { ref, session: threadId, ask, check: (verdict) => void result(verdict) },
    result,
    turn: turnId ?? undefined,
  };
}

function commandQuestion(asked: CommandApprovalParams): Question {
  const offers: ApprovalDecision[] = [];
  const suggestions: string[] = [];
  for (const offered of asked.availableDecisions ?? []) {
    const decision = ApprovalDecision.safeParse(offered);
    const label = decision.success ? offerLabel(decision.data) : undefined;
    if (!decision.success || label === undefined) continue;
    offers.push(decision.data);
    suggestions.push(label);
  }
  const input = { command: shellScript(asked.command ?? '(Codex does not show the command)') };
  const ask = { tool: 'shell', input, intent: asked.reason ?? undefined, suggestions };
  return { result: decided(offers), turn: asked.turnId, dialog: { ref: refOf(asked), session: asked.threadId, ask } };
}

function fileQuestion(asked: FileApprovalParams, item: unknown): Question {
  const change = FileChangeItem.safeParse(item);
  const changes = change.success ? change.data.changes : [];
  const files = changes.map(({ path }) => path).join(', ');
  const input = {
    file_path: files === '' ? (asked.grantRoot ?? '(Codex does not name the files)') : files,
    changes: changes.map(({ path, diff }) => (changes.length === 1 ? diff : `${path}\n${diff}`)).join('\n\n'),
  };
  const ask = { tool: 'apply_patch', input, intent: asked.reason ?? undefined, suggestions: [] };
  return { result: decided([]), turn: asked.turnId, dialog: { ref: refOf(asked), session: asked.threadId, ask } };
}

/** Only what outlasts this one question is a suggestion. */
function offerLabel(decision: ApprovalDecision): string | undefined {
  if (decision === 'acceptForSession') return 'Allow this for the rest of the session';
  if (typeof decision === 'string') return undefined;
  const words = decision.acceptWithExecpolicyAmendment.execpolicy_amendment.join(' ');
  return oneLine(`Always allow commands that start with: ${words}`, 300);
}

function refOf(asked: {
  readonly threadId: string;
  readonly turnId: string;
  readonly itemId: string;
  readonly [key: string]: unknown;
}): string {
  const { threadId, turnId, itemId, approvalId } = asked;
  const hash = createHash('sha256').update(JSON.stringify([threadId, turnId, itemId, approvalId ?? null]));
  return `codex:${hash.digest('hex').slice(0, 40)}`;
}
