/** Decides who is told of what, once for all channels. */
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import type { Notifier, NoticeWord, Unsubscribe } from '../services.ts';

export class HubNotifier implements Notifier {
  readonly #emitter: Emitter<NoticeWord>;

  constructor(log: Log) {
    this.#emitter = new Emitter((error) => log.error({ err: error }, 'a listener of notices failed'));
  }

  subscribe(listener: (word: NoticeWord) => void): Unsubscribe {
    return this.#emitter.subscribe(listener);
  }
}
