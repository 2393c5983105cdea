/** The operator's event stream as a bench hears it: every frame is told at once, with nothing between. */
import { WebSocket } from 'ws';
import type { HubEvent } from '../src/protocol/events.ts';
import { StreamFrame } from '../src/protocol/events.ts';
import type { Paths } from '../src/platform/paths.ts';

export class EventStream {
  readonly #socket: WebSocket;
  readonly #listeners = new Set<(event: HubEvent) => void>();

  static async open(paths: Paths, key: string): Promise<EventStream> {
    const socket = new WebSocket(`ws+unix://${paths.hubSocket}:/api/operator/stream`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const stream = new EventStream(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('message', () => resolve());
      socket.once('error', reject);
    });
    return stream;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      if (this.#listeners.size === 0) return;
      const value: unknown = JSON.parse(data.toString());
      const frame = StreamFrame.parse(value);
      if (frame.frame === 'event') for (const listener of this.#listeners) listener(frame.event);
    });
  }

  listen(listener: (event: HubEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first event that fits. */
  next(fits: (event: HubEvent) => boolean): Promise<HubEvent> {
    return new Promise((resolve) => {
      const stop = this.listen((event) => {
        if (!fits(event)) return;
        stop();
        resolve(event);
      });
    });
  }

  close(): void {
    this.#socket.close();
  }
}
