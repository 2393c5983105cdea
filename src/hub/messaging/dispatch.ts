/**
 * The hub's side of hub → daemon: one pump per machine that posts the outbox in order until the daemon acknowledged it.
 *
 * Invariants: a batch is at most BATCH_MAX items and fits into a request; what goes is made from the messages as they are now; the rows leave
 * the outbox in the transaction that moves their messages; an item that a daemon will never take ends its message instead of stopping the queue.
 */
import { isoTime } from '../../platform/clock.ts';
import { JsonClient, signing } from '../../platform/http/client.ts';
import { OrderedPump } from '../../platform/ordered-pump.ts';
import { parseAddress } from '../../protocol/address.ts';
import { DeliverResponse, type DeliverItem, type DeliverMessage } from '../../protocol/daemon-api.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { BATCH_MAX, HTTP_BODY_MAX } from '../../protocol/limits.ts';
import { canMove, hasFailed } from '../../protocol/message-life.ts';
import { HUB_SIGNER } from '../../protocol/signing.ts';
import type { HubDb } from '../store/hub-store.ts';
import { deleteOutboxOf, deleteThrough, messagesByIds, oldestFor, outboxHeads } from '../store/outbox.ts';
import type { MessageRow, OutboxRow } from '../store/schema.ts';
import type { Aftermath, MessagingParts, OtherItems } from './context.ts';
import type { MessageFlow } from './flow.ts';
import { statusOf } from './status.ts';
import { MessageUnit } from './unit.ts';

/** Room for the frame of a request around its items. */
const BATCH_BYTES = HTTP_BODY_MAX - 64 * 1024;

/** How the hub reaches a daemon. */
export interface DaemonDoor {
  readonly url: string;
  /** The secret to sign with. */
  secret(): string;
}

/** Finds the door of a machine; undefined for one that is not a member. */
export type DoorOf = (machineId: string) => DaemonDoor | undefined;

interface Load {
  readonly row: OutboxRow;
  /** Absent: the message is gone or over, so there is nothing to say. */
  readonly body: DeliverItem | undefined;
}

interface Channel {
  readonly pump: OrderedPump<Load>;
  client: JsonClient | undefined;
  url: string;
  /** Items that the next batch may have; shrinks when items are large or refused as a whole. */
  limit: number;
  /** Why the last attempt failed. */
  problem: string | undefined;
  /** Outbox rows up to this number may be with the daemon already. */
  inDoubt: number;
}

export class Dispatcher {
  readonly #parts: MessagingParts;
  readonly #aftermath: Aftermath;
  readonly #flow: MessageFlow;
  readonly #doorOf: DoorOf;
  readonly #channels = new Map<string, Channel>();
  #others: OtherItems | undefined;
  #stopped = true;

  constructor(parts: MessagingParts, aftermath: Aftermath, flow: MessageFlow, doorOf: DoorOf) {
    this.#parts = parts;
    this.#aftermath = aftermath;
    this.#flow = flow;
    this.#doorOf = doorOf;
  }

  /** Who knows what the items are that are about no message. Before `start`. */
  carry(others: OtherItems): void {
    this.#others = others;
  }

  /** Goes on with what was not acknowledged before the start. */
  async start(): Promise<void> {
    this.#stopped = false;
    for (const { machine_id, last } of await this.#parts.store.read(outboxHeads)) {
      // Whether the last run got any of these across is not known.
      this.#channel(machine_id).inDoubt = last;
      this.kick(machine_id);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      [...this.#channels.values()].map(async (channel) => {
        await channel.client?.close();
        await channel.pump.stop();
      }),
    );
    this.#channels.clear();
  }

  /** There is something for this machine, or it was heard from. */
  kick(machineId: string): void {
    if (!this.#stopped) this.#channel(machineId).pump.kick();
  }

  /** Whether an outbox row may be with the daemon already. */
  mayHaveLeft(machineId: string, seq: number): boolean {
    return seq <= (this.#channels.get(machineId)?.inDoubt ?? 0);
  }

  /** Why nothing gets through to this machine, if so. */
  problem(machineId: string): string | undefined {
    return this.#channels.get(machineId)?.problem;
  }

  #channel(machineId: string): Channel {
    const known = this.#channels.get(machineId);
    if (known !== undefined) return known;
    const channel: Channel = {
      pump: new OrderedPump<Load>({
        clock: this.#parts.clock,
        load: () => this.#load(machineId, channel),
        send: (items) => this.#send(machineId, channel, items),
        onFailure: (error, inARow) => this.#failed(machineId, channel, error, inARow),
      }),
      client: undefined,
      url: '',
      limit: BATCH_MAX,
      problem: undefined,
      inDoubt: 0,
    };
    this.#channels.set(machineId, channel);
    return channel;
  }

  async #load(machineId: string, channel: Channel): Promise<Load[]> {
    if (this.#stopped) return [];
    const { rows, messages, answers, others } = await this.#parts.store.read(async (db) => {
      const found = await oldestFor(db, machineId, channel.limit);
      const named = await messagesByIds(db, [...new Set(found.map((row) => row.message_id))]);
      const foreign = found.filter(isForeign);
      return {
        rows: found,
        messages: named,
        answers: await answersOf(db, found, named),
        others: foreign.length === 0 ? undefined : await this.#others?.bodies(db, foreign),
      };
    });
    const loads: Load[] = [];
    let bytes = 0;
    for (const row of rows) {
      const message = messages.get(row.message_id);
      const body = message === undefined ? others?.get(row.seq) : itemOf(row, message, answers);
      const size = body === undefined ? 0 : sizeOf(body);
      if (loads.length > 0 && bytes + size > BATCH_BYTES) break;
      loads.push({ row, body });
      bytes += size;
    }
    // Large bodies: do not read a hundred of them to send three.
    channel.limit = loads.length < rows.length ? Math.max(1, loads.length) : Math.min(BATCH_MAX, channel.limit * 2);
    return loads;
  }

  async #send(machineId: string, channel: Channel, loads: readonly Load[]): Promise<void> {
    const door = this.#doorOf(machineId);
    const last = loads.at(-1)?.row.seq ?? 0;
    if (door === undefined) {
      await this.#parts.store.write(({ db }) => deleteOutboxOf(db, machineId));
      return;
    }
    const items = loads.flatMap(({ row, body }) => (body === undefined ? [] : [{ seq: row.seq, body }]));
    const results = new Map<number, DeliverResponse['results'][number]>();
    if (items.length > 0) {
      channel.inDoubt = last;
      const answer = await this.#post(machineId, channel, door, items);
      for (const result of answer) results.set(result.seq, result);
      const missing = items.find(({ seq }) => !results.has(seq));
      if (missing !== undefined) throw new Error(`the daemon did not say what became of item ${missing.seq}`);
    }
    channel.problem = undefined;
    await this.#acknowledge(machineId, loads, results, last);
  }

  async #post(
    machineId: string,
    channel: Channel,
    door: DaemonDoor,
    items: readonly { seq: number; body: DeliverItem }[],
  ): Promise<DeliverResponse['results']> {
    const body = { hubEpoch: this.#parts.store.epoch, items };
    try {
      const client = await clientOf(channel, machineId, door, () => this.#parts.clock.now());
      return (await client.call({ method: 'POST', path: '/api/hub/deliver', body }, DeliverResponse)).results;
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (error.code !== 'invalid_request' && error.code !== 'too_large') throw thrown;
      // Something in this batch is not understood over there: find it by sending items alone.
      const [only, ...others] = items;
      if (only !== undefined && others.length === 0)
        return [{ seq: only.seq, result: 'refused', reason: error.message }];
      channel.limit = 1;
      throw thrown;
    }
  }

  async #acknowledge(
    machineId: string,
    loads: readonly Load[],
    results: ReadonlyMap<number, DeliverResponse['results'][number]>,
    last: number,
  ): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      const unit = new MessageUnit(this.#parts, this.#aftermath, transaction);
      await deleteThrough(unit.db, machineId, last);
      await unit.prefetch(loads.flatMap(({ body }) => (body?.item === 'message' ? [body.id] : [])));
      for (const { row, body } of loads) {
        const foreign = isForeign(row) ? results.get(row.seq) : undefined;
        if (foreign !== undefined) await this.#others?.arrived(transaction, machineId, row, foreign);
        if (body?.item !== 'message') continue;
        const message = await unit.message(row.message_id);
        const result = results.get(row.seq);
        if (message !== undefined && result !== undefined) await this.#arrived(unit, message, machineId, result);
      }
      await unit.finish();
    });
  }

  async #arrived(
    unit: MessageUnit,
    message: MessageRow,
    machineId: string,
    result: DeliverResponse['results'][number],
  ): Promise<void> {
    if (result.result === 'refused') {
      const reason = `${machineId} refused it: ${result.reason ?? 'no reason given'}`;
      if (canMove(message.state, 'failed')) await this.#flow.end(unit, message, 'failed', { place: machineId, reason });
      return;
    }
    if (message.state === 'queued') {
      await unit.move(message, 'dispatched', { place: machineId, proof: 'acknowledged by its daemon' });
    } else if (hasFailed(message.state)) {
      // It ended here while it was on its way: the daemon must not write it.
      await unit.send(machineId, 'cancel', message.id, message.reason ?? `it is ${message.state}`);
    }
  }

  #failed(machineId: string, channel: Channel, error: unknown, inARow: number): void {
    const { code, message } = toIntercomError(error);
    channel.problem = code === 'internal' ? 'the hub could not send to it' : message;
    const level = inARow === 1 ? 'warn' : 'debug';
    this.#parts.log[level]({ machine: machineId, err: error, inARow }, 'messages to a machine wait');
  }
}

async function clientOf(channel: Channel, machineId: string, door: DaemonDoor, now: () => number): Promise<JsonClient> {
  if (channel.client !== undefined && channel.url === door.url) return channel.client;
  await channel.client?.close();
  channel.client = new JsonClient({
    origin: door.url.replace(/\/+$/, ''),
    authorize: signing(HUB_SIGNER, () => door.secret(), now),
    peer: `the daemon of ${machineId}`,
    unreachableNext: `Is intercom running on ${machineId}?`,
    connections: 2,
  });
  channel.url = door.url;
  return channel.client;
}

function isForeign(row: OutboxRow): boolean {
  return row.item === 'mission' || row.item === 'mission_stop' || row.item === 'decision';
}

/** The first replies to the messages of which there is news. */
async function answersOf(
  db: HubDb,
  rows: readonly OutboxRow[],
  messages: ReadonlyMap<string, MessageRow>,
): Promise<Map<string, MessageRow>> {
  const ids = rows
    .filter((row) => row.item === 'status')
    .flatMap((row) => messages.get(row.message_id)?.answer_id ?? []);
  return messagesByIds(db, [...new Set(ids)]);
}

function itemOf(
  row: OutboxRow,
  message: MessageRow,
  answers: ReadonlyMap<string, MessageRow>,
): DeliverItem | undefined {
  if (row.item === 'cancel') return { item: 'cancel', id: message.id, reason: (row.reason ?? '').slice(0, 300) };
  if (row.item === 'status') {
    const answer = message.answer_id === null ? undefined : answers.get(message.answer_id);
    return { item: 'status', status: statusOf(message, answer) };
  }
  // Over already (expired, cancelled in time): it never leaves.
  return message.state === 'queued' || message.state === 'dispatched' ? deliverMessage(message) : undefined;
}

function deliverMessage(message: MessageRow): DeliverMessage | undefined {
  const to = parseAddress(message.recipient);
  if (to.kind !== 'agent') return undefined;
  return {
    item: 'message',
    id: message.id,
    threadId: message.thread_id,
    kind: message.kind,
    from: message.sender,
    project: to.project,
    ...(to.session === undefined ? {} : { session: to.session }),
    binding: message.binding,
    body: message.body,
    priority: message.priority,
    ...(message.in_reply_to === null ? {} : { inReplyTo: message.in_reply_to }),
    approval: message.passed_by ?? '',
    depth: message.depth,
    sentAt: isoTime(message.created_at),
    expiresAt: isoTime(message.expires_at),
  };
}

/** At most what it takes as JSON; exact only where that matters. */
function sizeOf(item: DeliverItem): number {
  if (item.item === 'mission' || item.item === 'mission_stop' || item.item === 'decision') {
    return Buffer.byteLength(JSON.stringify(item)) + 200;
  }
  const body = item.item === 'message' ? item.body : item.item === 'status' ? (item.status.answer?.body ?? '') : '';
  if (body.length < 20_000) return body.length * 4 + 2_000;
  return Buffer.byteLength(JSON.stringify(item)) + 200;
}
