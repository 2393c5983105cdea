/**
 * What people do with missions in Telegram: start, stop, pause and resume them by a command or a button, list them, and speak into them.
 *
 * Invariants: whether a person may do it is asked of the hub when they do it, not when the button was shown; a button of an earlier run does
 * nothing; a command says exactly one mission (its id, the message that it answers, or the topic that it stands in) or nothing is done.
 */
import { parseAddress } from '../../protocol/address.ts';
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import type { MessageStatus } from '../../protocol/machine-api.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission } from '../../protocol/mission.ts';
import type { Message } from '../../protocol/model.ts';
import { MissionSend, OperatorMission } from '../../protocol/operator-api.ts';
import type { Log } from '../../platform/log.ts';
import type { Actor, HubServices } from '../services.ts';
import { escapeHtml, oneLine } from './html.ts';
import { addressOf, missionOfKey, missionKey, stateWords, type MissionPress } from './mission-cards.ts';
import type { MissionPosts } from './mission-posts.ts';
import type { Item, PressAnswer, TelegramStore } from './ports.ts';
import { agoWords, sentence } from './words.ts';

export interface MissionDeskOptions {
  readonly services: Pick<HubServices, 'missions' | 'approvals' | 'messaging'>;
  readonly store: TelegramStore;
  readonly posts: MissionPosts;
  readonly log: Log;
  readonly now: () => number;
}

/** Where a command was written. */
export interface Place {
  readonly chatId: number;
  readonly messageId: number;
  readonly topicId: number | undefined;
  readonly replyTo: number | undefined;
}

const LIVE_MAX = 30;
const OVER_MAX = 8;

export class MissionDesk {
  readonly #options: MissionDeskOptions;

  constructor(options: MissionDeskOptions) {
    this.#options = options;
  }

  /** The answer to a command (HTML lines; none: what it did shows on the card), or undefined if it is none about missions. */
  async command(name: string, actor: Actor, place: Place, args: string): Promise<string[] | undefined> {
    switch (name) {
      case 'missions':
        return this.#list();
      case 'start_agent':
        return this.#start(actor, place, args);
      case 'stop':
      case 'pause':
      case 'resume':
        return this.#order(name, actor, place, args);
      default:
        return undefined;
    }
  }

  async pressed(actor: Actor, press: MissionPress): Promise<PressAnswer> {
    const { services, posts, log } = this.#options;
    try {
      if (actor.operator.role === 'viewer') return { text: 'As a viewer you may look, but not do this.', alert: true };
      const mission = await services.missions.get(press.missionId);
      if (mission.run !== press.run) {
        await posts.refresh(mission.id);
        return { text: 'That was an earlier run of this mission. Look at the card again.', alert: true };
      }
      return await this.#pressed(actor, press.op, mission);
    } catch (error) {
      const failure = toIntercomError(error);
      if (failure.code === 'internal') log.error({ err: error, mission: press.missionId }, 'a pressed button failed');
      // The card may be older than the mission.
      posts.unconfirm(press.missionId);
      await posts.refresh(press.missionId).catch(() => undefined);
      return { text: sentence(failure), alert: true };
    }
  }

  /** Says a text to the mission of a conversation. Undefined: there is none, or the text answers a message. */
  async say(
    actor: Actor,
    text: string,
    at: { readonly chatId: number; readonly threadId: string; readonly answered: Item | undefined },
  ): Promise<MessageStatus | undefined> {
    const { services, store } = this.#options;
    const id =
      missionOfKey(at.answered?.key ?? '') ??
      missionOfKey((await store.missionCardOf(at.chatId, at.threadId))?.key ?? '');
    if (id === undefined || at.answered?.messageId !== undefined) return undefined;
    const mission = await services.missions.get(id);
    if (await this.#isAsked(mission)) return undefined;
    const said = MissionSend.safeParse({ text });
    if (!said.success) {
      throw new IntercomError('invalid_request', `This text cannot be sent: ${problemOf(said.error)}.`);
    }
    // A session that is kept open after the end would take it, but nobody would see what comes of it.
    if (missionIsOver(mission.state) || mission.state === 'paused') {
      throw new IntercomError('conflict', `Nothing can be said to it now: ${stateWords(mission)}.`, {
        next: 'Send /resume and your text, here: it goes on with the same conversation.',
      });
    }
    try {
      return await services.missions.send(actor, id, said.data.text);
    } catch (error) {
      const failure = toIntercomError(error);
      if (failure.code !== 'conflict') throw error;
      throw new IntercomError('conflict', `Nothing can be said to it now: ${stateWords(mission)}.`, {
        next: 'Send it again once it is at work.',
      });
    }
  }

  /** Its agent asked a person and waits for the answer: then a text in the topic is that answer. */
  async #isAsked(mission: Mission): Promise<boolean> {
    const messages = await this.#options.services.messaging.thread(mission.threadId, { limit: 20 }).then(
      (page) => page.messages,
      // Nothing was said in it so far.
      (): Message[] => [],
    );
    return messages.some(
      ({ kind, to, from, state }) =>
        kind === 'ask' && to.startsWith('human') && from.startsWith(addressOf(mission)) && state !== 'answered',
    );
  }

  async #pressed(actor: Actor, op: MissionPress['op'], mission: Mission): Promise<PressAnswer> {
    const { services, posts } = this.#options;
    switch (op) {
      case 'stop':
        if (missionIsOver(mission.state)) {
          await posts.refresh(mission.id);
          return { text: `It is over already: ${stateWords(mission)}.`, alert: false };
        }
        await posts.confirm(mission.id);
        return { text: 'Really? Press “Yes, stop it” on the card.', alert: false };
      case 'keep':
        posts.unconfirm(mission.id);
        await posts.refresh(mission.id);
        return { text: 'It goes on.', alert: false };
      case 'end':
        posts.unconfirm(mission.id);
        await services.missions.cancel(mission.id, actor, undefined);
        await posts.refresh(mission.id);
        return { text: 'It is being stopped.', alert: false };
      case 'pause':
        await services.missions.pause(actor, mission.id, undefined);
        return { text: 'It is being paused. Its conversation is kept.', alert: false };
      case 'resume':
        await services.missions.resume(actor, mission.id, undefined);
        return { text: 'It goes on with its conversation.', alert: false };
    }
  }

  async #start(actor: Actor, place: Place, args: string): Promise<string[]> {
    mayAct(actor);
    const [, target = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*)$/.exec(args) ?? [];
    const text = unquoted(rest.trim());
    if (target === '' || text === '') return START_USAGE;
    const address = parseAddress(target);
    if (address.kind !== 'agent' || address.session !== undefined) return START_USAGE;
    const start = OperatorMission.safeParse({
      machine: address.machine,
      project: address.project,
      text,
      idempotencyKey: `telegram:${place.chatId}:${place.messageId}`,
    });
    if (!start.success) return [`This cannot be started: ${escapeHtml(problemOf(start.error))}.`];
    const mission = await this.#options.services.missions.startFromOperator(actor, start.data);
    if (mission.state === 'denied') {
      return [`⛔ ${escapeHtml(mission.reason ?? 'Policy forbids it.')}`];
    }
    const what = `<b>${escapeHtml(mission.agent)}</b> at <code>${escapeHtml(addressOf(mission))}</code>`;
    return mission.state === 'awaiting_approval'
      ? [`🔔 ${what} waits for an approval; the card is there.`]
      : [`🚀 ${what} is on its way: ${escapeHtml(stateWords(mission))}. Its card shows how it goes.`];
  }

  async #order(name: 'stop' | 'pause' | 'resume', actor: Actor, place: Place, args: string): Promise<string[]> {
    mayAct(actor);
    const { services } = this.#options;
    const [, given, rest = ''] = /^\s*(mis_\S+)\s*([\s\S]*)$/.exec(args) ?? [];
    const words = unquoted((given === undefined ? args : rest).trim());
    const id = given ?? (await this.#missionAt(place));
    if (id === undefined) {
      return [`Say which one: send /${name} in its topic, reply to its card, or give its id. /missions lists them.`];
    }
    if (name === 'stop') {
      const mission = await services.missions.cancel(id, actor, words === '' ? undefined : oneLine(words, 300));
      return mission.state === 'cancelled' ? [] : ['⏹ It is being stopped.'];
    }
    if (name === 'pause') {
      await services.missions.pause(actor, id, words === '' ? undefined : oneLine(words, 300));
      return ['⏸ It is being paused. Its conversation is kept; /resume goes on with it.'];
    }
    const said = MissionSend.safeParse({ text: words });
    if (words !== '' && !said.success) return [`This text cannot be sent: ${escapeHtml(problemOf(said.error))}.`];
    const mission = await services.missions.resume(actor, id, said.success ? said.data.text : undefined);
    return [`▶️ It goes on with its conversation (run ${mission.run}).`];
  }

  /** The mission that a command means by where it stands. */
  async #missionAt({ chatId, topicId, replyTo }: Place): Promise<string | undefined> {
    const { store, services } = this.#options;
    const answered = replyTo === undefined ? undefined : await store.itemByMessage(chatId, replyTo);
    if (answered?.key.startsWith('a:') === true) {
      const { subject } = await services.approvals.get(answered.key.slice(2));
      if (subject.kind === 'launch' || subject.kind === 'tool') return subject.missionId;
    }
    const shown = missionOfKey(answered?.key ?? '');
    if (shown !== undefined) return shown;
    const threadId =
      answered?.threadId ?? (topicId === undefined ? undefined : await store.threadOfTopic(chatId, topicId));
    if (threadId === undefined) return undefined;
    return missionOfKey((await store.missionCardOf(chatId, threadId))?.key ?? '');
  }

  async #list(): Promise<string[]> {
    const { missions } = this.#options.services;
    const live = await missions.list({ state: 'live', limit: LIVE_MAX });
    const over = await missions.list({ state: 'over', limit: OVER_MAX });
    if (live.missions.length + over.missions.length === 0) return ['No missions yet.', '', ...START_USAGE];
    return [
      live.missions.length === 0
        ? '<b>Nothing is at work.</b>'
        : `<b>${live.missions.length}${live.more ? '+' : ''} at work or waiting</b>`,
      ...(await this.#lines(live.missions)),
      ...(over.missions.length === 0 ? [] : ['', '<b>Over</b>', ...(await this.#lines(over.missions))]),
    ];
  }

  #lines(missions: readonly Mission[]): Promise<string[]> {
    return Promise.all(
      missions.map(async (mission) => {
        const words = `${stateWords(mission)} · ${oneLine(addressOf(mission), 100)}: ${oneLine(mission.text, 80)}`;
        const link = linkOf(await this.#options.store.item(missionKey(mission.id)));
        const shown = link === undefined ? escapeHtml(words) : `<a href="${link}">${escapeHtml(words)}</a>`;
        return `${shown}, ${agoWords(mission.endedAt ?? mission.startedAt ?? mission.createdAt, this.#options.now())}\n<code>${mission.id}</code>`;
      }),
    );
  }
}

export const START_USAGE = [
  'Start an agent like this, over several lines if you like:',
  '<code>/start_agent machine/project "what it should do"</code>',
  '/agents lists the addresses.',
];

/** Where a card stands. Only messages of supergroups have an address. */
export function linkOf(item: Item | undefined): string | undefined {
  const messageId = item?.sent[0]?.messageId;
  const chat = String(item?.chatId ?? '');
  return messageId === undefined || !chat.startsWith('-100')
    ? undefined
    : `https://t.me/c/${chat.slice(4)}/${messageId}`;
}

const QUOTES: readonly (readonly [string, string])[] = [
  ['"', '"'],
  ['“', '”'],
  ['„', '“'],
  ['„', '”'],
  ['«', '»'],
  ["'", "'"],
  ['‘', '’'],
];

/** Without the quotes around the whole of it; phones make curly ones. */
export function unquoted(text: string): string {
  const found = QUOTES.find(
    ([open, close]) => text.length > 1 && text.startsWith(open) && text.endsWith(close) && !inner(text).includes(close),
  );
  return found === undefined ? text : inner(text).trim();
}

const inner = (text: string) => text.slice(1, -1);

function mayAct(actor: Actor): void {
  if (actor.operator.role !== 'viewer') return;
  throw new IntercomError('forbidden', 'As a viewer you may look, but not start or stop agents.');
}

function problemOf(error: { readonly issues: readonly { readonly message: string }[] }): string {
  return error.issues[0]?.message ?? 'it is not valid';
}
