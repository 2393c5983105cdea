/**
 * A server that answers as it is told and remembers what it was asked: in the place of a hub (its socket and key, or TCP) or of a daemon's
 * socket. Refuses a wrong key, as the real ones do.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { IntercomError } from '../../../src/protocol/errors.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Gives the answer, or throws an IntercomError that is sent as the real server would. */
export type Answer = (asked: Asked) => unknown;

export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly server: Server;
  readonly #answers: Readonly<Record<string, Answer>>;
  readonly #key: string | undefined;

  private constructor(answers: Readonly<Record<string, Answer>>, key: string | undefined) {
    this.#answers = answers;
    this.#key = key;
    this.server = createServer((request, response) => void this.#serve(request, response));
  }

  /** On a unix socket; the key goes into its 0600 file. */
  static async onSocket(
    socket: string,
    keyFile: string,
    answers: Readonly<Record<string, Answer>>,
  ): Promise<ScriptedServer> {
    const key = randomBytes(24).toString('base64url');
    for (const path of [socket, keyFile]) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(keyFile, `${key}\n`, { mode: 0o600 });
    const scripted = new ScriptedServer(answers, key);
    await new Promise<void>((resolve) => scripted.server.listen(socket, resolve));
    return scripted;
  }

  static async onTcp(answers: Readonly<Record<string, Answer>>): Promise<ScriptedServer & { readonly url: string }> {
    const scripted = new ScriptedServer(answers, undefined);
    await new Promise<void>((resolve) => scripted.server.listen(0, '127.0.0.1', resolve));
    const address = scripted.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return Object.assign(scripted, { url: `http://127.0.0.1:${port}` });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const method = request.method ?? '';
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const send = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    try {
      if (this.#key !== undefined && request.headers.authorization !== `Bearer ${this.#key}`) {
        throw new IntercomError('unauthorized', 'Wrong key.');
      }
      this.asked.push({ method, path, body });
      const answer = this.#answers[`${method} ${path.split('?')[0] ?? ''}`];
      if (answer === undefined) throw new IntercomError('not_found', `No answer for ${method} ${path}.`);
      send(200, await answer({ method, path, body }));
    } catch (error) {
      const refused = error instanceof IntercomError ? error : new IntercomError('internal', String(error));
      send(refused.status, { error: refused.toWire() });
    }
  }
}
