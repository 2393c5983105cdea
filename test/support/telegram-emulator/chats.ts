/** The chats of the emulator: what is in them, and who may do what. */
import type { Parsed } from './entities.ts';

export interface ShownButton {
  readonly text: string;
  /** Empty: it opens `url`. */
  readonly data: string;
  readonly url?: string;
  readonly style?: string;
}

export interface ShownMessage {
  readonly id: number;
  /** A user id, or `bot`. */
  readonly from: number | 'bot';
  readonly topic: number | undefined;
  readonly replyTo: number | undefined;
  readonly date: number;
  content: Parsed;
  buttons: readonly (readonly ShownButton[])[];
  readonly document?: { readonly name: string; readonly text: string };
  readonly silent: boolean;
  edits: number;
  reaction: string | undefined;
  /** It opens a reply at whoever it names, with these words in the empty field. */
  readonly asks?: string;
}

export interface TopicState {
  readonly id: number;
  name: string;
  closed: boolean;
}

export interface ChatState {
  readonly id: number;
  readonly type: 'private' | 'group' | 'supergroup' | 'channel';
  readonly title: string;
  isForum: boolean;
  /** The bot's membership; in a private chat `left` means that the person did not press Start. */
  bot: 'administrator' | 'member' | 'left';
  mayManageTopics: boolean;
  /** People who are not in it. */
  readonly absent: Set<number>;
  readonly messages: Map<number, ShownMessage>;
  readonly topics: Map<number, TopicState>;
  lastId: number;
  movedTo: number | undefined;
}

export function newChat(id: number, type: ChatState['type'], title: string): ChatState {
  return {
    id,
    type,
    title,
    isForum: false,
    bot: 'member',
    mayManageTopics: false,
    absent: new Set(),
    messages: new Map(),
    topics: new Map(),
    lastId: 0,
    movedTo: undefined,
  };
}

/** A refusal as the Bot API gives it. */
export class Refusal extends Error {
  readonly code: number;
  readonly parameters: Readonly<Record<string, number>>;

  constructor(code: number, description: string, parameters: Readonly<Record<string, number>> = {}) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}

export function bad(description: string): Refusal {
  return new Refusal(400, `Bad Request: ${description}`);
}
