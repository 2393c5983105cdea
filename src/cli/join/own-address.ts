/** Under which address the hub will reach this machine's daemon. */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Config } from '../../config/config.ts';
import { listenAddresses } from '../../config/listen.ts';

export interface OwnAddress {
  readonly url: string;
  /** The daemon would not listen there as it is configured. */
  readonly notListening: boolean;
}

/** `toward`: our own address on the way to the hub; `tailscaleIp`: ours on the tailnet, if any. */
export function daemonAddress(config: Config, toward: string, tailscaleIp: string | undefined): OwnAddress {
  const listening = listenAddresses(config.hub.daemonListen, config.hub.daemonPort, tailscaleIp);
  const everywhere = listening.find((one) => one.host === '0.0.0.0' || one.host === '::');
  const exact = listening.find((one) => one.host === toward);
  const onTailnet = isLoopback(toward) ? undefined : listening.find((one) => one.host === tailscaleIp);
  const chosen = exact ?? onTailnet;
  if (chosen !== undefined) return { url: urlOf(chosen.host, chosen.port), notListening: false };
  return { url: urlOf(toward, everywhere?.port ?? config.hub.daemonPort), notListening: everywhere === undefined };
}

/** Which of our addresses a packet to `host` would leave from. Nothing is sent. */
export function addressToward(host: string, port: number): Promise<string> {
  const family = isIP(host) === 6 ? 'udp6' : 'udp4';
  const socket = createSocket(family);
  return new Promise((resolve, reject) => {
    const finish = (work: () => void): void => {
      socket.close();
      work();
    };
    socket.once('error', (error) => finish(() => reject(error)));
    // By its event and not by a callback: a callback would be called for a failure as well.
    socket.once('connect', () => {
      const { address } = socket.address();
      finish(() => resolve(address));
    });
    socket.connect(port, host);
  });
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.');
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
