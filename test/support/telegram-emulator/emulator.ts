/**
 * A Bot API server for tests: real HTTP, one bot, chats with people in them. It refuses what Telegram refuses; what it cannot do it says.
 * Tests write and press as people, and read what people would see.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../../../src/platform/clock.ts';
import { readParameters } from './body.ts';
import { newChat, Refusal, type ChatState, type ShownMessage } from './chats.ts';
import { FloodLimits } from './limits.ts';
import { chatView, messageView, run, type World } from './methods.ts';
import { isMethod, parameterFault } from './spec.ts';

export interface RecordedCall {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly at: number;
  /** Empty when it was taken. */
  readonly refusal: string;
}

export interface PressResult {
  readonly text: string;
  readonly alert: boolean;
}

interface Poll {
  readonly offset: number;
  end(updates: readonly unknown[]): void;
  conflict(): void;
}

export class TelegramEmulator {
  static readonly TOKEN = '123456789:AAH-emulated-token-for-tests-0123456789';
  readonly calls: RecordedCall[] = [];
  readonly chats = new Map<number, ChatState>();
  readonly commands: { value: unknown } = { value: undefined };
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #world: World;
  #updates: { id: number; update: Record<string, unknown> }[] = [];
  #lastUpdate = 0;
  #lastQuery = 0;
  #poll: Poll | undefined;
  #isAway = false;
  readonly #lose = new Map<string, number>();
  readonly #refuse = new Map<string, Refusal[]>();
  #port = 0;

  static async start(clock: Clock): Promise<TelegramEmulator> {
    const emulator = new TelegramEmulator(clock);
    await emulator.#listen();
    return emulator;
  }

  private constructor(clock: Clock) {
    this.#clock = clock;
    this.#world = {
      chats: this.chats,
      limits: new FloodLimits(),
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      commands: this.commands,
      pressed: new Map(),
    };
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Updates that the bot has not acknowledged yet. */
  get unconfirmed(): number {
    return this.#updates.length;
  }

  get root(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  // ── the world ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  addForum(id: number, title = 'Agents'): ChatState {
    const chat = this.addGroup(id, title);
    chat.isForum = true;
    chat.bot = 'administrator';
    chat.mayManageTopics = true;
    return chat;
  }

  addGroup(id: number, title = 'Agents'): ChatState {
    const chat = newChat(id, 'supergroup', title);
    this.chats.set(id, chat);
    return chat;
  }

  addPrivate(userId: number, hasStarted = true): ChatState {
    const chat = newChat(userId, 'private', `User ${userId}`);
    chat.bot = hasStarted ? 'member' : 'left';
    this.chats.set(userId, chat);
    return chat;
  }

  /** The rights of the bot changed; it is told so. */
  changed(chat: ChatState): void {
    this.#push({
      my_chat_member: { chat: chatView(chat), from: { id: 1, is_bot: false, first_name: 'Admin' }, date: 0 },
    });
  }

  /** Connections are cut and refused until `comeBack`. */
  goAway(): void {
    this.#isAway = true;
    this.#server.closeAllConnections();
  }

  comeBack(): void {
    this.#isAway = false;
  }

  /** The next `times` calls of a method are done, but their answers are lost. */
  loseAnswers(method: string, times: number): void {
    this.#lose.set(method, times);
  }

  /** The next call of a method is refused like this. */
  refuseNext(method: string, code: number, description: string, parameters: Record<string, number> = {}): void {
    this.#refuse.set(method, [...(this.#refuse.get(method) ?? []), new Refusal(code, description, parameters)]);
  }

  // ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A person writes; returns the message's number. */
  write(chatId: number, userId: number, text: string, where: { topic?: number; replyTo?: number } = {}): number {
    const { chat, message } = this.#personPosts(chatId, userId, text, where);
    this.#push({ message: messageView(message, chat) });
    return message.id;
  }

  /** A person sends something that is not text. */
  sendMedia(chatId: number, userId: number, field: string, where: { topic?: number } = {}): number {
    const { chat, message } = this.#personPosts(chatId, userId, '', where);
    const view = Object.entries(messageView(message, chat)).filter(([name]) => name !== 'text');
    this.#push({ message: { ...Object.fromEntries(view), [field]: { file_id: 'x' } } });
    return message.id;
  }

  edit(chatId: number, messageId: number, text: string): void {
    const chat = this.#chat(chatId);
    const message = this.message(chatId, messageId);
    message.content = { text, entities: [] };
    this.#push({ edited_message: messageView(message, chat) });
  }

  /** Any update, as it would come from Telegram. */
  push(update: Record<string, unknown>): void {
    this.#push(update);
  }

  /** A person presses a button by its words; resolves with what they are shown. */
  press(chatId: number, messageId: number, userId: number, words: string): Promise<PressResult> {
    const message = this.message(chatId, messageId);
    const button = message.buttons.flat().find((each) => each.text.includes(words));
    if (button === undefined) throw new Error(`there is no button "${words}" on message ${messageId}`);
    return this.pressData(chatId, messageId, userId, button.data);
  }

  pressData(chatId: number, messageId: number, userId: number, data: string): Promise<PressResult> {
    const chat = this.#chat(chatId);
    const id = String(++this.#lastQuery);
    return new Promise((resolve) => {
      this.#world.pressed.set(id, resolve);
      this.#push({
        callback_query: {
          id,
          from: { id: userId, is_bot: false, first_name: 'User' },
          chat_instance: '1',
          data,
          message: { message_id: messageId, chat: chatView(chat), date: 1 },
        },
      });
    });
  }

  deleteTopic(chatId: number, topicId: number): void {
    const chat = this.#chat(chatId);
    chat.topics.delete(topicId);
    for (const message of [...chat.messages.values()]) if (message.topic === topicId) chat.messages.delete(message.id);
  }

  // ── what people see ────────────────────────────────────────────────────────────────────────────────────────────────────

  messages(chatId: number, topic?: number | 'general'): ShownMessage[] {
    const all = [...this.#chat(chatId).messages.values()];
    return topic === undefined
      ? all
      : all.filter((message) => message.topic === (topic === 'general' ? undefined : topic));
  }

  /** Texts of what the bot wrote. */
  texts(chatId: number, topic?: number | 'general'): string[] {
    return this.messages(chatId, topic)
      .filter((message) => message.from === 'bot')
      .map((message) => message.content.text);
  }

  message(chatId: number, messageId: number): ShownMessage {
    const message = this.#chat(chatId).messages.get(messageId);
    if (message === undefined) throw new Error(`there is no message ${messageId} in ${chatId}`);
    return message;
  }

  topics(chatId: number): { id: number; name: string }[] {
    return [...this.#chat(chatId).topics.values()];
  }

  callsOf(method: string): RecordedCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  refusals(): string[] {
    return this.calls.filter((call) => call.refusal !== '').map((call) => `${call.method}: ${call.refusal}`);
  }

  // ── the server ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the emulator has no port');
    this.#port = address.port;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#isAway) {
      request.socket.destroy();
      return;
    }
    const [, token, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? '') ?? [];
    const params = await readParameters(request);
    let refusal = '';
    try {
      if (token !== TelegramEmulator.TOKEN) throw new Refusal(401, 'Unauthorized');
      const planned = this.#refuse.get(method)?.shift();
      if (planned !== undefined) throw planned;
      if (!isMethod(method)) throw new Refusal(404, 'Not Found: method not found');
      const declared = Object.fromEntries(Object.entries(params).filter(([name]) => !name.includes(':')));
      const fault = parameterFault(method, declared);
      if (fault !== undefined) throw new Refusal(400, `Bad Request: ${fault}`);
      const result =
        method === 'getUpdates' ? await this.#getUpdates(params, request) : run(this.#world, method, params);
      this.#answer(request, response, method, 200, { ok: true, result });
    } catch (error) {
      const refused = error instanceof Refusal ? error : new Refusal(500, `Internal Server Error: ${String(error)}`);
      refusal = refused.message;
      const parameters = Object.keys(refused.parameters).length === 0 ? {} : { parameters: refused.parameters };
      this.#answer(request, response, method, refused.code, {
        ok: false,
        error_code: refused.code,
        description: refused.message,
        ...parameters,
      });
    }
    this.calls.push({ method, params, at: this.#clock.monotonic(), refusal });
  }

  #answer(request: IncomingMessage, response: ServerResponse, method: string, status: number, body: unknown): void {
    const losses = this.#lose.get(method) ?? 0;
    if (losses > 0 && status === 200) {
      this.#lose.set(method, losses - 1);
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  #getUpdates(params: Readonly<Record<string, unknown>>, request: IncomingMessage): Promise<readonly unknown[]> {
    this.#poll?.conflict();
    const offset = typeof params.offset === 'number' ? params.offset : 0;
    this.#updates = this.#updates.filter((entry) => entry.id >= offset);
    if (this.#updates.length > 0) return Promise.resolve(this.#pending());
    const timeout = typeof params.timeout === 'number' ? params.timeout : 0;
    if (timeout === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeout * 1000, () => poll.end([]));
      const finish = (then: () => void) => {
        cancel();
        request.socket.off('close', gone);
        if (this.#poll === poll) this.#poll = undefined;
        then();
      };
      const poll: Poll = {
        offset,
        end: (updates) => finish(() => resolve(updates)),
        conflict: () =>
          finish(() =>
            reject(
              new Refusal(
                409,
                'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
              ),
            ),
          ),
      };
      this.#poll = poll;
      const gone = () => poll.end([]);
      request.socket.once('close', gone);
    });
  }

  #pending(): unknown[] {
    return this.#updates.slice(0, 100).map((entry) => ({ update_id: entry.id, ...entry.update }));
  }

  #push(update: Record<string, unknown>): void {
    this.#updates.push({ id: ++this.#lastUpdate, update });
    this.#poll?.end(this.#pending());
  }

  #personPosts(
    chatId: number,
    userId: number,
    text: string,
    where: { topic?: number; replyTo?: number },
  ): { chat: ChatState; message: ShownMessage } {
    const chat = this.#chat(chatId);
    const message: ShownMessage = {
      id: ++chat.lastId,
      from: userId,
      topic: where.topic,
      replyTo: where.replyTo,
      date: this.#clock.now(),
      content: { text, entities: [] },
      buttons: [],
      silent: false,
      edits: 0,
      reaction: undefined,
    };
    chat.messages.set(message.id, message);
    return { chat, message };
  }

  #chat(chatId: number): ChatState {
    const chat = this.chats.get(chatId);
    if (chat === undefined) throw new Error(`there is no chat ${chatId}`);
    return chat;
  }
}
