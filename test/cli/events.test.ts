/** intercom events: the past, then the stream; resumed after a break, a gap said, a refusal final. */
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { HubEvent } from '../../src/protocol/events.ts';
import { eventLine } from '../../src/cli/print/event-line.ts';
import { styleFor, widthOf } from '../../src/cli/print/style.ts';
import { Home, NOW } from './support/cli.ts';
import { agent, approval, hubStatus, machine, message, T0, trace } from './support/samples.ts';
import { ScriptedServer } from './support/scripted-server.ts';

const O = '/api/operator';
const running: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

function machineEvent(seq: number): HubEvent {
  return { seq, at: T0, type: 'machine.changed', machine: machine({ id: `m${seq}` }) };
}

/** A hub with three past events, and a stream that plays `connections` one after the other. */
async function streamingHub(connections: ((send: (frame: unknown) => void, close: () => void) => void)[]) {
  const home = await Home.make();
  const hub = await ScriptedServer.onSocket(home.paths.hubSocket, home.paths.hubKey, {
    [`GET ${O}/status`]: () => hubStatus(),
    [`GET ${O}/events`]: () => ({ epoch: 'e1', events: [machineEvent(2), machineEvent(3)], gap: false }),
  });
  running.push(hub);
  const sockets = new WebSocketServer({ noServer: true });
  const opened: string[] = [];
  hub.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => {
      opened.push(request.url ?? '');
      const play = connections.shift();
      play?.(
        (frame) => client.send(JSON.stringify(frame)),
        () => client.terminate(),
      );
    });
  });
  return { home, hub, opened };
}

const hello = (mode: string, seq: number) => ({ frame: 'hello', mode, epoch: 'e1', seq });

describe('events', () => {
  it('lists the past', async () => {
    const { home } = await streamingHub([]);
    const { code, out } = await home.run(['events', '--limit', '2', '--json']);
    expect(code).toBe(0);
    expect([...out.matchAll(/"seq":(\d+)/g)].map((found) => found[1])).toEqual(['2', '3']);
  });

  it('follows, resumes after the last number when the hub went away, and says what was missed', async () => {
    const stop = new AbortController();
    const { home, opened } = await streamingHub([
      (send, close) => {
        send(hello('resumed', 3));
        send({ frame: 'event', event: machineEvent(4) });
        send({ frame: 'a newer kind of frame' });
        send({ frame: 'ping', seq: 4 });
        setImmediate(close);
      },
      (send) => {
        send(hello('gap', 9));
        send({ frame: 'event', event: machineEvent(10) });
      },
    ]);
    const { code, out, err } = await home.run(['events', '--follow'], {
      signal: stop.signal,
      onOut: (text) => {
        if (text.includes('m10')) stop.abort();
      },
    });
    expect(code).toBe(0);
    expect(out.match(/machine m\d+/g)).toEqual(['machine m2', 'machine m3', 'machine m4', 'machine m10']);
    expect(opened.map((path) => path.split('after=')[1])).toEqual(['e1%3A3', 'e1%3A4']);
    expect(err).toContain('waiting for it');
    expect(err).toContain('events were missed');
  });

  it('ends in words when the hub refuses the stream', async () => {
    const { home, hub } = await streamingHub([]);
    hub.server.removeAllListeners('upgrade');
    hub.server.on('upgrade', (_request, socket) => {
      const body = JSON.stringify({
        error: { code: 'forbidden', message: 'Not for you.', retry: false, next: 'Ask an owner.' },
      });
      socket.end(
        `HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
    const { code, err } = await home.run(['events', '-f']);
    expect([code, err]).toEqual([5, 'error: Not for you.\n  next: Ask an owner.\n']);
  });

  it('is not kept by a stream that is already over', async () => {
    const stop = new AbortController();
    stop.abort();
    const { home } = await streamingHub([]);
    expect((await home.run(['events', '-f'], { signal: stop.signal })).code).toBe(0);
  });
});

describe('a line', () => {
  const thread = {
    id: 'thr_01JNAAAAAAAAAAAAAAAAAAAAAA',
    title: 't',
    participants: [],
    messageCount: 1,
    createdAt: T0,
    lastMessageAt: T0,
    lastText: '',
    lastFrom: 'human',
    held: 0,
  };
  const [step] = trace().steps;
  const [session] = agent().sessions;
  if (step === undefined || session === undefined) throw new Error('the samples have none');
  const notice = { key: 'store.full', level: 'error' as const, text: 'The disk is full.', since: T0 };
  const grant = {
    id: 'grn_01JNAAAAAAAAAAAAAAAAAAAAAA',
    covers: 'message' as const,
    scope: 'always' as const,
    from: 'a/b',
    to: 'c/d',
    by: 'owner',
    createdAt: T0,
    uses: 0,
  };
  const base = { seq: 1, at: T0 };
  const events: [event: HubEvent, words: string][] = [
    [
      { ...base, type: 'message.changed', message: message({ body: 'x'.repeat(500) }), step, thread },
      'laptop/app → human accepted',
    ],
    [
      { ...base, type: 'approval.changed', approval: approval({ state: 'answered_elsewhere' }) },
      'message answered elsewhere',
    ],
    [{ ...base, type: 'machine.changed', machine: machine() }, 'machine laptop is online'],
    [{ ...base, type: 'machine.removed', machineId: 'laptop' }, 'laptop was removed'],
    [{ ...base, type: 'projects.changed', machineId: 'laptop', projects: [] }, 'laptop has 0 projects'],
    [
      { ...base, type: 'session.changed', machineId: 'laptop', session },
      'laptop/app#7d7e2ca8 waits: permission prompt',
    ],
    [{ ...base, type: 'grant.changed', grant }, 'a/b → c/d may message (always)'],
    [{ ...base, type: 'policy.changed', rules: 2 }, 'policy read: 2 rules'],
    [{ ...base, type: 'policy.changed', rules: 2, fault: 'line 3' }, 'policy file faulty'],
    [{ ...base, type: 'system.notice', notice: { ...notice, clearedAt: T0 } }, 'over: The disk is full.'],
  ];
  it.each(events)('of %o', (event, words) => {
    const line = eventLine(event, NOW, 80, styleFor(false));
    expect(line).toContain(words);
    expect(widthOf(line)).toBeLessThanOrEqual(80);
  });
});
