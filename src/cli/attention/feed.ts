/**
 * Keeps a board true: a snapshot, then the event stream; after a gap a new snapshot. Says whether the hub is there.
 *
 * Invariant: between the end of one snapshot and the next no event is lost: what comes while one is fetched is applied to it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { toIntercomError } from '../../protocol/errors.ts';
import type { ClientFrame, HubEvent } from '../../protocol/events.ts';
import { followEvents } from '../clients/event-stream.ts';
import type { OperatorClient } from '../clients/operator-client.ts';
import { Board } from './board.ts';

const AGAIN_MS = 1_000;

export interface FeedListener {
  /** What the table shows may be other now. */
  readonly onChange: (board: Board) => void;
  /** Told before the board is changed. */
  readonly onEvent?: (event: HubEvent) => void;
  /** Undefined: it is there. */
  readonly onLink: (problem: string | undefined) => void;
  readonly onConnected: (say: (frame: ClientFrame) => void) => void;
}

/** Runs until the signal aborts; throws when the hub refuses. */
export async function feed(hub: OperatorClient, signal: AbortSignal, listener: FeedListener): Promise<void> {
  const first = await hub.snapshot();
  let board = new Board(first);
  listener.onChange(board);
  /** Events that came while a snapshot is fetched. */
  let meanwhile: HubEvent[] | undefined;
  const refetch = async (): Promise<void> => {
    if (meanwhile !== undefined) return;
    meanwhile = [];
    try {
      board = new Board(await snapshotUntilThere(hub, signal));
      for (const event of meanwhile) board.apply(event);
      listener.onChange(board);
    } catch (error) {
      listener.onLink(toIntercomError(error).message);
    } finally {
      meanwhile = undefined;
    }
  };
  await followEvents({
    access: hub.access,
    after: `${first.epoch}:${first.seq}`,
    signal,
    onEvent: (event) => {
      listener.onEvent?.(event);
      meanwhile?.push(event);
      if (board.apply(event)) listener.onChange(board);
      if (board.wantsMore && event.type === 'approval.changed') void refetch();
    },
    onNote: (text) => listener.onLink(text),
    onHello: (mode, say) => {
      listener.onLink(undefined);
      listener.onConnected(say);
      if (mode !== 'resumed') void refetch();
    },
  });
}

async function snapshotUntilThere(hub: OperatorClient, signal: AbortSignal) {
  for (;;) {
    try {
      return await hub.snapshot();
    } catch (error) {
      const failed = toIntercomError(error);
      if (!failed.retry || signal.aborted) throw failed;
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
