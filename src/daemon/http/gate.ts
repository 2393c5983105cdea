/** Holds the calls that come before the daemon can answer them. */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';
import type { UpgradeListener } from '../../platform/http/server.ts';

export class Gate {
  #app: RequestListener | undefined;
  #upgrade: UpgradeListener | undefined;
  #closed = false;
  #waiting: (() => void)[] = [];

  readonly listener: RequestListener = (request, response) => {
    if (this.#app !== undefined) this.#app(request, response);
    else if (this.#closed) request.destroy();
    else this.#waiting.push(() => this.listener(request, response));
  };

  readonly upgrade: UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (this.#upgrade !== undefined) this.#upgrade(request, socket, head);
    else if (this.#closed) socket.destroy();
    else this.#waiting.push(() => this.upgrade(request, socket, head));
  };

  open(app: RequestListener, upgrade: UpgradeListener): void {
    this.#app = app;
    this.#upgrade = upgrade;
    for (const go of this.#waiting.splice(0)) go();
  }

  close(): void {
    this.#closed = true;
    for (const go of this.#waiting.splice(0)) go();
  }
}
