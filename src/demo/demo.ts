/**
 * `intercom demo`: a first conversation between two demo agents, told step by step, with a card that the person answers. Needs a running
 * standalone (or hub and daemon); uses nothing that real agents do not use. Whatever happens, it leaves no process, session or
 * directory behind, and takes back a message that nobody decided about.
 */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalClient } from '../platform/local-client.ts';
import { IntercomError } from '../protocol/errors.ts';
import type { Trace } from '../protocol/model.ts';
import { Player } from './player.ts';
import type { Happening, Role } from './script.ts';

export interface DemoOptions {
  /** The local client of the daemon that the demo runs on. */
  readonly client: LocalClient;
  /** How this program is started: `[node, …/bin/intercom.js]`. Used as `… mcp-server` and `… demo --play <role>`. */
  readonly command: readonly string[];
  /** Given to the demo agents; must lead to the same daemon. */
  readonly env: NodeJS.ProcessEnv;
  /** Prints one line for the person. */
  readonly out: (line: string) => void;
  /** Where the page is, or a sign-in link; absent: the page is not mentioned. */
  readonly pageUrl?: string | undefined;
  /** What the person types for the command line; with a home of its own: `INTERCOM_HOME=… intercom`. */
  readonly cli?: string;
  /** Where the two project directories are made for the time of the demo. */
  readonly temporary?: string;
  /** Aborted when the person has had enough (Ctrl-C). */
  readonly signal?: AbortSignal;
}

/** answered: the whole way · refused: the person (or a rule) said no, or time ran out · stopped: by Ctrl-C. */
export type DemoEnd = 'answered' | 'refused' | 'stopped';

const START_MS = 20_000;

export async function runDemo(options: DemoOptions): Promise<DemoEnd> {
  const { client, out } = options;
  await checkReady(client);
  out('intercom demo: two small programs talk to each other through intercom, and you approve it.');
  out('They are demo agents: not AIs, they follow a script. They use the same tools as real agents.');
  const folder = await realpath(await mkdtemp(join(options.temporary ?? tmpdir(), 'intercom-demo-')));
  const players: Player[] = [];
  const play = new Play(options);
  try {
    const [ada, ben] = await Promise.all([cast('ada'), cast('ben')]);
    play.introduce(ada.address, ben.address);
    ada.player.cue({ do: 'talk', to: ben.address });
    const end = await play.run(ada.player, ben.player);
    await play.curtain();
    return end;
  } finally {
    await Promise.all(players.map((player) => player.stop()));
    await play.tidy();
    await rm(folder, { recursive: true, force: true });
  }

  async function cast(role: Role): Promise<{ player: Player; address: string }> {
    const cwd = join(folder, `demo-${role}`);
    await mkdir(cwd);
    const player = Player.start({ command: [...options.command, 'demo', '--play', role], env: options.env, cwd });
    players.push(player);
    const first = await player.next({ ms: START_MS, signal: options.signal });
    if (first?.what === 'ready') return { player, address: first.address };
    throw new IntercomError(
      'internal',
      `The demo agent ${role} did not start${first?.what === 'failed' ? `: ${first.text}` : '.'}`,
      {
        next: '`intercom doctor` looks for the cause.',
      },
    );
  }
}

async function checkReady(client: LocalClient): Promise<void> {
  const { hub } = await client.status();
  if (hub.state === 'online') return;
  throw new IntercomError('unreachable', `The daemon runs, but its hub is not there (${hub.problem ?? hub.state}).`, {
    next: '`intercom status` shows more; the demo needs both.',
  });
}

/** The telling of it. */
class Play {
  readonly #options: DemoOptions;
  readonly #cli: string;
  readonly #projects: string[] = [];
  #step = 0;
  /** Ada's message, once there is one. */
  #opening: string | undefined;
  #undecided: string | undefined;
  #replyMayGo = false;
  /** Ada can have the answer before Ben has heard that it may go; it is told in the order that people expect. */
  #answer: Happening | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#cli = options.cli ?? 'intercom';
  }

  introduce(ada: string, ben: string): void {
    for (const address of [ada, ben]) this.#projects.push(address.slice(address.indexOf('/') + 1));
    this.#head('Two agents appear, each in a project of its own');
    this.#say(`Ada is ${ada}`, `Ben is ${ben}`);
  }

  async run(ada: Player, ben: Player): Promise<DemoEnd> {
    const merged = new Merged([
      ['Ada', ada],
      ['Ben', ben],
    ]);
    for (;;) {
      const next = await merged.next(this.#options.signal);
      if (next === undefined) return this.#stopped();
      const end = await this.#tell(next.who, next.happening);
      if (end !== undefined) return end;
    }
  }

  /** Shows the way of Ada's message. */
  async curtain(): Promise<void> {
    if (this.#opening === undefined) return;
    const trace = await this.#options.client.trace(this.#opening).catch(() => undefined);
    if (trace === undefined) return;
    this.#head(`The whole way of Ada's message (${this.#cli} trace ${this.#opening})`);
    this.#say(...traceLines(trace));
  }

  /** Takes back what nobody decided about, and the two projects. */
  async tidy(): Promise<void> {
    const { client } = this.#options;
    if (this.#undecided !== undefined)
      await client.cancel(this.#undecided, 'the demo was ended').catch(() => undefined);
    for (const id of this.#projects)
      await client.register({ action: 'remove_project', project: { id } }).catch(() => undefined);
  }

  async #tell(who: string, happening: Happening): Promise<DemoEnd | undefined> {
    const other = who === 'Ada' ? 'Ben' : 'Ada';
    switch (happening.what) {
      case 'ready':
        return undefined;
      case 'sends':
        this.#head(`${who} writes to ${other} with the tool ${happening.tool}`);
        this.#say(`| ${happening.text}`);
        return undefined;
      case 'held':
        this.#note(who, happening.messageId);
        this.#undecided = happening.messageId;
        await this.#card(who, other, happening.messageId);
        return undefined;
      case 'allowed':
        this.#note(who, happening.messageId);
        this.#undecided = undefined;
        if (happening.asked) this.#head(`Allowed${happening.by === undefined ? '' : ` by ${happening.by}`}`);
        else this.#say(`It passed without asking you: ${happening.rule ?? 'the policy allows it'}.`);
        if (who === 'Ben') this.#replyMayGo = true;
        return who === 'Ben' && this.#answer !== undefined ? this.#tell('Ada', this.#answer) : undefined;
      case 'received':
        if (who === 'Ada' && !this.#replyMayGo) {
          this.#answer = happening;
          return undefined;
        }
        this.#head(`${who} has ${other}'s message (intercom_check_inbox)`);
        this.#say(`| ${happening.text.replaceAll('\n', '\n   | ')}`);
        if (who === 'Ben') return undefined;
        this.#say('That is the whole of it: asked, approved, answered.');
        return 'answered';
      case 'refused':
        this.#note(who, happening.messageId);
        this.#undecided = undefined;
        this.#head(`${who} was told`);
        this.#say(`| ${happening.text}`, `${other} never saw a word of it.`);
        return 'refused';
      case 'failed':
        throw new IntercomError('internal', `The demo agent ${who} could not go on: ${happening.text}`, {
          next: '`intercom doctor` looks for the cause.',
        });
    }
  }

  async #card(who: string, other: string, messageId: string): Promise<void> {
    const { client, pageUrl } = this.#options;
    const trace = await client.trace(messageId).catch(() => undefined);
    const approval = trace?.message.approvalId;
    this.#head(`${who}'s message is held: ${other} gets it only if you allow it`);
    if (trace?.message.rule !== undefined) this.#say(`Why you are asked: ${trace.message.rule}`);
    if (pageUrl !== undefined) this.#say(`Answer the card on the page:  ${pageUrl}`);
    const lead = pageUrl === undefined ? 'Answer in another terminal:  ' : 'or in another terminal:      ';
    if (approval === undefined) this.#say(`${lead} ${this.#cli} approvals list`);
    else
      this.#say(
        `${lead} ${this.#cli} approvals allow ${approval}`,
        `${' '.repeat(lead.length)} ${this.#cli} approvals deny ${approval}`,
      );
    this.#say('Waiting for you … (Ctrl-C ends the demo)');
  }

  #note(who: string, messageId: string): void {
    if (who === 'Ada') this.#opening ??= messageId;
  }

  #stopped(): DemoEnd {
    this.#head('Stopped');
    this.#say('The demo ends here; what nobody decided about is taken back.');
    return 'stopped';
  }

  #head(text: string): void {
    this.#step += 1;
    this.#options.out('');
    this.#options.out(`${this.#step}. ${text}`);
  }

  #say(...lines: string[]): void {
    for (const line of lines) this.#options.out(`   ${line}`);
  }
}

/** Whatever happens next on the stage, whoever does it. */
class Merged {
  readonly #waiting: Map<string, Promise<{ who: string; happening: Happening | undefined }>>;
  readonly #players: ReadonlyMap<string, Player>;

  constructor(players: readonly (readonly [string, Player])[]) {
    this.#players = new Map(players);
    this.#waiting = new Map(players.map(([who, player]) => [who, ask(who, player)]));
  }

  /** Undefined: the person ended it, or both agents are gone. */
  async next(signal: AbortSignal | undefined): Promise<{ who: string; happening: Happening } | undefined> {
    while (this.#waiting.size > 0) {
      const next = await Promise.race([...this.#waiting.values(), abortOf(signal)]);
      if (next === undefined) return undefined;
      const { who, happening } = next;
      const player = this.#players.get(who);
      if (happening === undefined || player === undefined) {
        this.#waiting.delete(who);
        continue;
      }
      this.#waiting.set(who, ask(who, player));
      return { who, happening };
    }
    return undefined;
  }
}

async function ask(who: string, player: Player): Promise<{ who: string; happening: Happening | undefined }> {
  return { who, happening: await player.next({}) };
}

function abortOf(signal: AbortSignal | undefined): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve(undefined);
    else signal?.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function traceLines(trace: Trace): string[] {
  const steps = trace.steps.map((step) => {
    const facts = [step.rule, step.by === undefined ? undefined : `by ${step.by}`, step.proof, step.reason].filter(
      (fact) => fact !== undefined,
    );
    return `${step.at.slice(11, 23)}  ${step.state.padEnd(11)} ${step.place}${facts.length === 0 ? '' : `  (${facts.join('; ')})`}`;
  });
  return [...steps, trace.waitsFor];
}
