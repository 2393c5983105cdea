/** The live table as a whole, against a scripted hub: drawn, answered, told who was first, and the terminal given back. */
import { afterEach, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { watch } from '../../../src/cli/attention/watch.ts';
import { findHub, OperatorClient } from '../../../src/cli/clients/operator-client.ts';
import { styleFor } from '../../../src/cli/print/style.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { session, snapshot, toolCard } from '../support/attention.ts';
import { Home } from '../support/cli.ts';
import { Input, Output, Signals } from '../support/fake-terminal.ts';
import { T0 } from '../support/samples.ts';
import { ScriptedServer, type Answer } from '../support/scripted-server.ts';

const O = '/api/operator';
const FROM = 'laptop/app#aaaaaaaa-0000-4000-8000-000000000000';
const card = toolCard(1, FROM);
const running: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0)) await stop();
});

async function open(answers: Record<string, Answer>) {
  const home = await Home.make();
  const hub = await ScriptedServer.onSocket(home.paths.hubSocket, home.paths.hubKey, {
    [`GET ${O}/snapshot`]: () => snapshot([session('aaaaaaaa')], [card]),
    ...answers,
  });
  const said: unknown[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  let tell: (frame: unknown) => void = () => undefined;
  hub.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (data: Buffer) => void said.push(JSON.parse(data.toString())));
      tell = (frame) => client.send(JSON.stringify(frame));
      tell({ frame: 'hello', mode: 'resumed', epoch: 'e1', seq: 10 });
    });
  });
  const client = new OperatorClient(await findHub(home.paths, undefined, process.getuid?.()));
  running.push(
    () => client.close(),
    () => hub.stop(),
  );
  const terminal = { input: new Input(), output: new Output(90, 24), signals: new Signals() };
  const stop = new AbortController();
  const style = styleFor(false);
  const done = watch({ hub: client, clock: systemClock, style, all: false, signal: stop.signal, ...terminal });
  const type = (text: string): void => void terminal.input.emit('data', Buffer.from(text));
  return { ...terminal, hub, said, done, type, stop, tell: (frame: unknown) => tell(frame) };
}

it('shows the card, allows it with what was shown, and says so', async () => {
  const allowed = {
    ...card,
    state: 'allowed',
    decision: { verdict: 'allow', scope: 'once', by: 'owner', via: 'cli', at: T0 },
  };
  const table = await open({ [`POST ${O}/approvals/${card.id}/decision`]: () => allowed });
  await table.output.shows('│ npm run step-1');
  table.type('a');
  await table.output.shows('Allowed by owner via cli.');
  expect(table.hub.asked.at(-1)?.body).toEqual({ verdict: 'allow', scope: 'once', shownHash: card.shownHash });
  table.type('q');
  await table.done;
  expect(table.input.raw).toBe(false);
  await table.output.screen.flushed();
  expect(table.output.screen.isAlternate).toBe(false);
  expect(table.said[0]).toEqual({ frame: 'looking', looking: true });
});

it('says who was first', async () => {
  const refuse: Answer = () => {
    throw new IntercomError('conflict', 'ada denied this already (telegram).', { next: 'Nothing is left to do.' });
  };
  const table = await open({ [`POST ${O}/approvals/${card.id}/decision`]: refuse });
  await table.output.shows('a allow');
  table.type('a');
  await table.output.shows('ada denied this already (telegram).');
  table.stop.abort();
  await table.done;
});

it('a card that is answered elsewhere goes, and whoever looked at it is told', async () => {
  const table = await open({});
  await table.output.shows('a allow');
  table.type('\r');
  await table.output.shows('Esc back');
  const approval = { ...card, state: 'answered_elsewhere' };
  table.tell({ frame: 'event', event: { seq: 11, at: T0, type: 'approval.changed', approval } });
  await table.output.shows('Answered at its terminal.');
  expect((await table.output.text()).join('\n')).not.toContain('npm run step-1');
  table.type('\x03');
  await table.done;
});

it('gives the terminal back when the hub refuses', async () => {
  const table = await open({
    [`GET ${O}/snapshot`]: () => {
      throw new IntercomError('forbidden', 'Not for you.', { next: 'Ask an owner.' });
    },
  });
  await expect(table.done).rejects.toThrow('Not for you.');
  expect(table.input.raw).toBe(false);
});
