/**
 * Where the daemon listens for its hub: the first address must be had, the others (the tailnet may come up later) are tried again.
 */
import { networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import type { RequestListener } from 'node:http';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { listen, type Listening, type UpgradeListener } from '../../platform/http/server.ts';
import type { Log } from '../../platform/log.ts';

const TRY_AGAIN_MS = 30_000;

export interface Host {
  readonly host: string;
  readonly port: number;
}

export interface NetworkListenerOptions {
  /** Asked again from time to time; the first one is the one that must be had. */
  readonly addresses: () => Promise<readonly Host[]>;
  readonly listener: RequestListener;
  readonly onUpgrade?: UpgradeListener;
  /** An address was added after the start. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class NetworkListener {
  readonly #options: NetworkListenerOptions;
  readonly #open = new Map<string, Listening>();
  #cancel: CancelTimer = () => undefined;
  #adding: Promise<void> | undefined;
  #stopped = false;

  constructor(options: NetworkListenerOptions) {
    this.#options = options;
  }

  /** Throws `conflict` or `invalid_config` when the first address cannot be had. */
  async start(): Promise<void> {
    const [first, ...rest] = await this.#options.addresses();
    if (first !== undefined) await this.#add(first);
    for (const address of rest) await this.#try(address);
    this.#cancel = this.#options.clock.every(TRY_AGAIN_MS, () => {
      this.#adding ??= this.#addMissing().finally(() => (this.#adding = undefined));
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#adding;
    await Promise.all([...this.#open.values()].map((one) => one.close()));
  }

  /** The address under which a hub at `hubUrl` reaches us best. */
  urlFor(hubUrl: string): string {
    const open = [...this.#open.values()].flatMap(({ address, port }) =>
      'host' in address ? [{ host: address.host, port }] : [],
    );
    const outside = open.filter(({ host }) => !isLoopback(host));
    const everywhere = outside.find(({ host }) => host === '0.0.0.0' || host === '::');
    const local = isLoopback(URL.canParse(hubUrl) ? new URL(hubUrl).hostname : '');
    const named = everywhere === undefined ? undefined : { host: ownAddress(), port: everywhere.port };
    const loopback = open.find(({ host }) => isLoopback(host));
    const specific = outside.find((one) => one !== everywhere);
    const chosen = local ? (loopback ?? specific ?? named) : (specific ?? named ?? loopback);
    const { host, port } = chosen ?? { host: '127.0.0.1', port: 0 };
    return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  }

  async #addMissing(): Promise<void> {
    let added = false;
    for (const address of await this.#options.addresses()) {
      if (!this.#stopped && !this.#open.has(keyOf(address))) added = (await this.#try(address)) || added;
    }
    if (added) this.#options.onChange();
  }

  async #try(address: Host): Promise<boolean> {
    try {
      await this.#add(address);
      return true;
    } catch (error) {
      this.#options.log.warn(
        { err: error, host: address.host },
        'this address cannot be listened on now; it is tried again',
      );
      return false;
    }
  }

  async #add(address: Host): Promise<void> {
    this.#open.set(keyOf(address), await listen(address, this.#options.listener, this.#options.onUpgrade));
  }
}

function keyOf({ host, port }: Host): string {
  return `${host} ${port}`;
}

function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '');
  return plain === 'localhost' || plain === '::1' || plain.startsWith('127.');
}

/** The first address of this machine that others could know. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}
