/**
 * The Telegram surface: everything that Telegram shows and takes, on HubServices alone.
 *
 * Invariants: it is never in the path of a message between agents; whatever Telegram does, the hub goes on; what should be seen is kept in
 * the store before anything is sent. Events and updates are handled one after another in one queue, so a message that an operator writes is
 * known as theirs before its own event is read.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { HubStatus } from '../../protocol/operator-api.ts';
import type { HubEvent } from '../../protocol/events.ts';
import type { HubServices } from '../services.ts';
import { AttentionPosts } from './attention-posts.ts';
import { BotApi } from './bot-api.ts';
import { CardPrompts } from './card-prompts.ts';
import { CardReplies } from './card-replies.ts';
import { COMMANDS } from './commands.ts';
import type { TelegramConfig } from './config.ts';
import type { TelegramFailure } from './failure.ts';
import { failureOf } from './failure.ts';
import { Decider } from './decider.ts';
import { DirectPost } from './direct-post.ts';
import { Feed } from './feed.ts';
import { Home } from './home.ts';
import { Inbound } from './inbound.ts';
import { MissionDesk } from './mission-desk.ts';
import { MissionPosts } from './mission-posts.ts';
import { NoticePosts } from './notice-posts.ts';
import { Outbox } from './outbox.ts';
import { Poller } from './poller.ts';
import type { Item, TelegramStore } from './ports.ts';
import { Presses } from './presses.ts';
import { QuestionDesk } from './question-desk.ts';
import { TopicKeeper } from './topic-keeper.ts';
import { CONFLICT, OVERFLOW, Trouble, UNREACHABLE, WRONG_TOKEN } from './trouble.ts';
import type { IncomingPress, IncomingUpdate } from './wire.ts';

export type TelegramStatus = HubStatus['telegram'];

export interface TelegramOptions {
  readonly services: HubServices;
  readonly config: TelegramConfig;
  readonly store: TelegramStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the web page is, for everybody who reads the chat (Open on cards). */
  readonly pageUrl?: () => string | undefined;
  /** How long what was shown is remembered, for replies to it. */
  readonly retentionDays?: number;
}

export interface Telegram {
  /** Ends the long poll, finishes the call under way; what waits stays in the store. */
  stop(): Promise<void>;
  status(): Promise<TelegramStatus>;
}

/** Events that change what people see here. */
const SHOWN: readonly HubEvent['type'][] = [
  'approval.changed',
  'message.changed',
  'system.notice',
  'mission.changed',
  'mission.log',
];
/** Failures in a row before it is said that Telegram cannot be reached. */
const SAID_AFTER = 3;
/** How long a call under way may take at the end. */
const STOP_MS = 3_000;
const PRUNE_MS = 6 * 3_600_000;
const DAY_MS = 86_400_000;

/** Starts in the background; returns at once. Without a token it stays off. */
export function startTelegram(options: TelegramOptions): Telegram {
  const token = options.config.botToken;
  if (token === undefined) {
    return { stop: async () => undefined, status: async () => ({ state: 'off', outbox: 0 }) };
  }
  const surface = new Surface(options, token);
  surface.start();
  return surface;
}

class Surface implements Telegram {
  readonly #options: TelegramOptions;
  readonly #token: string;
  readonly #api: BotApi;
  readonly #trouble: Trouble;
  readonly #home: Home;
  readonly #outbox: Outbox;
  readonly #direct: DirectPost;
  readonly #topics: TopicKeeper;
  readonly #feed: Feed;
  readonly #attention: AttentionPosts;
  readonly #missions: MissionPosts;
  readonly #presses: Presses;
  readonly #inbound: Inbound;
  readonly #poller: Poller;
  readonly #stops: (() => void)[] = [];
  #queue: Promise<void> = Promise.resolve();
  #events: HubEvent[] = [];
  #isOnline = false;
  #isRefused = false;
  #dropped = 0;
  #stopped = false;

  constructor(options: TelegramOptions, token: string) {
    this.#options = options;
    this.#token = token;
    const { services, config, store, clock, log } = options;
    this.#api = new BotApi(config, token);
    const api = this.#api;
    this.#trouble = new Trouble(services.notices, log);
    this.#home = new Home({ config, api, store, clock, log, trouble: this.#trouble });
    const home = () => this.#home.home();
    this.#outbox = new Outbox({
      store,
      api,
      clock,
      log,
      destination: this.#home,
      onTrouble: (failure) => this.#troubled(failure, 1),
      onSuccess: (chatId) => this.#succeeded(chatId),
      onDropped: (item, why) => this.#gaveUp(item, why),
      onShown: (item) => this.#shown(item),
    });
    const outbox = this.#outbox;
    this.#topics = new TopicKeeper({ services, store, api, clock, log, home });
    const posts = new NoticePosts({ store, outbox, clock, home });
    this.#direct = new DirectPost({ api, clock, log, home });
    const onOverflow = () => this.#trouble.raise(OVERFLOW);
    this.#missions = new MissionPosts({
      ...{ services, store, outbox, clock, log, home, onOverflow },
      pageUrl: () => options.pageUrl?.(),
      enqueue: (work) => void this.#enqueue(work),
    });
    const missions = this.#missions;
    const now = () => clock.now();
    this.#feed = new Feed({ services, store, outbox, posts, missions, log, now, home, onOverflow });
    const feed = this.#feed;
    this.#attention = new AttentionPosts({
      ...{ services, store, outbox, feed, clock, home },
      pageUrl: () => options.pageUrl?.(),
      operators: () => config.allowedUsers.flatMap((id) => services.operators.byTelegramId(id)?.name ?? []),
    });
    const desk = new MissionDesk({ services, store, posts: missions, log, now });
    const decider = new Decider({ services, feed, log });
    const prompts = new CardPrompts({ outbox });
    const questions = new QuestionDesk({ decider, prompts, feed });
    this.#presses = new Presses({ services, store, outbox, decider, prompts, questions, desk });
    this.#inbound = new Inbound({
      services,
      store,
      outbox,
      feed,
      config,
      clock,
      log,
      home,
      replies: new CardReplies({ services, store, decider, questions }),
      desk,
      botName: () => this.#home.bot?.username ?? '',
    });
    this.#poller = new Poller({
      api: new BotApi(config, token),
      clock,
      log,
      connect: () => this.#connect(),
      onUpdate: (update) => this.#enqueue(() => this.#update(update)),
      onPolled: () => this.#polled(),
      onFailure: (failure, inARow) => this.#troubled(failure, inARow),
    });
  }

  start(): void {
    const { services, clock } = this.#options;
    const { lastSeq } = services.events;
    this.#stops.push(services.events.subscribe((event) => this.#heard(event)));
    this.#stops.push(services.notices.onStoreFault((fault) => this.#direct.changed(fault)));
    this.#trouble.over('dropped');
    const prune = () => void this.#enqueue(() => this.#prune());
    this.#stops.push(clock.every(PRUNE_MS, prune));
    void this.#enqueue(async () => {
      await this.#home.load();
      await this.#feed.catchUp(lastSeq);
      await this.#attention.review();
      await this.#prune();
    });
    this.#stops.push(services.notifier.subscribe((word) => void this.#enqueue(() => this.#attention.told(word))));
    this.#poller.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#missions.stop();
    // A call that hangs must not hold up the end of the hub; what it was to show is shown after the next start.
    const cancel = this.#options.clock.after(STOP_MS, () => this.#api.close());
    await this.#poller.stop();
    await this.#queue;
    await this.#outbox.stop();
    await this.#direct.stop();
    cancel();
    this.#api.close();
  }

  async status(): Promise<TelegramStatus> {
    const outbox = await this.#options.store.dueCount();
    const problem = this.#trouble.worst();
    const bot = this.#home.bot?.username;
    return {
      state: this.#isRefused ? 'refused' : problem !== undefined ? 'degraded' : this.#isOnline ? 'online' : 'starting',
      outbox,
      ...(bot === undefined ? {} : { bot: `@${bot}` }),
      ...(problem === undefined ? {} : { problem: problem.text }),
    };
  }

  /** One after another; a failure is logged and the next goes on. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work).catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'Telegram: something could not be handled');
    });
    this.#queue = done;
    return done;
  }

  #heard(event: HubEvent): void {
    // Its conversations are over: their topics are closed soon, not in some hours.
    if (event.type === 'machine.removed') void this.#enqueue(() => this.#topics.round());
    if (!SHOWN.includes(event.type)) return;
    this.#events.push(event);
    if (this.#events.length > 1) return;
    void this.#enqueue(async () => {
      const batch = this.#events;
      this.#events = [];
      for (const each of batch) await this.#feed.handle(each);
      await this.#feed.saveCursor();
    });
  }

  async #connect(): Promise<void> {
    const { log } = this.#options;
    await this.#home.look();
    this.#isRefused = false;
    // A web hook left by another program would keep every update from us.
    await this.#api.call('deleteWebhook', (raw) => raw.deleteWebhook({}));
    await this.#api
      .call('setMyCommands', (raw) => raw.setMyCommands({ commands: COMMANDS }))
      .catch((error: unknown) => {
        log.warn({ err: error }, "the bot's commands could not be registered");
      });
    this.#isOnline = true;
    log.info({ bot: this.#home.bot?.username, topics: this.#home.hasTopics() }, 'Telegram is connected');
    this.#outbox.start();
  }

  #polled(): void {
    this.#trouble.over('conflict');
    this.#trouble.over('network');
    this.#outbox.heard();
    void this.#home.lookAgain(false);
  }

  async #update(update: IncomingUpdate): Promise<void> {
    if (update.callback_query !== undefined) {
      await this.#press(update.callback_query);
      return;
    }
    if (update.my_chat_member !== undefined) {
      if (update.my_chat_member.chat.id !== this.#home.home()) return;
      await this.#home.lookAgain(true);
      this.#outbox.heard(update.my_chat_member.chat.id);
      return;
    }
    const message = update.message ?? update.edited_message;
    if (message === undefined) return;
    if (message.movedTo !== undefined && message.chat.id === this.#home.home()) {
      await this.#moved(message.movedTo);
      return;
    }
    if (message.chat.id === this.#home.home()) this.#outbox.heard(message.chat.id);
    await this.#inbound.message(message, update.edited_message !== undefined);
  }

  async #press(press: IncomingPress): Promise<void> {
    const answer = await this.#presses.pressed(press);
    // Not paced and not awaited: the person looks at a turning button until this arrives.
    void this.#api
      .call('answerCallbackQuery', (raw) =>
        raw.answerCallbackQuery({
          callback_query_id: press.id,
          text: answer.text.slice(0, 200),
          show_alert: answer.alert,
        }),
      )
      .catch((error: unknown) => this.#options.log.info({ err: error }, 'a pressed button could not be answered'));
  }

  #troubled(thrown: TelegramFailure, inARow: number): void {
    if (this.#stopped) return;
    const failure = failureOf(thrown, thrown.method, this.#token);
    switch (failure.kind) {
      case 'token':
        this.#isRefused = true;
        this.#trouble.raise(WRONG_TOKEN);
        return;
      case 'conflict':
        this.#trouble.raise(CONFLICT);
        return;
      case 'chat':
        this.#home.chatRefused();
        return;
      case 'moved':
        if (failure.movedTo !== undefined) void this.#enqueue(() => this.#moved(failure.movedTo));
        return;
      case 'network':
        this.#options.log.info({ problem: failure.message, inARow }, 'Telegram gave no answer');
        if (Math.max(inARow, this.#outbox.networkFailures) >= SAID_AFTER) this.#trouble.raise(UNREACHABLE);
        return;
      default:
        this.#options.log.warn({ problem: failure.message }, 'Telegram refused a call');
    }
  }

  async #moved(to: number | undefined): Promise<void> {
    if (to === undefined) return;
    await this.#home.movedTo(to);
    await this.#home.lookAgain(true);
    this.#outbox.heard();
  }

  #succeeded(chatId: number): void {
    this.#trouble.over('network');
    if (chatId === this.#home.home()) this.#trouble.over('chat');
  }

  #gaveUp(item: Item, why: string): void {
    this.#dropped += 1;
    this.#trouble.raise({
      key: 'dropped',
      level: 'warning',
      text: `${this.#dropped} ${this.#dropped === 1 ? 'thing' : 'things'} could not be shown in Telegram; the last was ${item.key} (${why.slice(0, 200)}).`,
      next: 'The web page and `intercom approvals` show everything; the log has the details.',
    });
  }

  async #shown(item: Item): Promise<void> {
    const first = item.sent[0]?.messageId;
    if (!item.confirm || item.messageId === undefined || first === undefined) return;
    const { services, log } = this.#options;
    await services.messaging
      .shownToOperator(item.messageId, 'telegram', `Telegram message ${first}`)
      .catch((error: unknown) =>
        log.warn({ err: error, message: item.messageId }, 'the hub did not take that a message was shown'),
      );
  }

  async #prune(): Promise<void> {
    const { store, clock, retentionDays } = this.#options;
    await store.prune(clock.now() - (retentionDays ?? 30) * DAY_MS);
    if ((await store.dueCount()) < 1_000) this.#trouble.over('full');
    if (this.#isOnline) await this.#topics.round();
  }
}
