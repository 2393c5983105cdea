/**
 * intercom missions logs [-f]: a mission's log, as it was and as it grows.
 *
 * Invariants: every entry is printed once, in the order of the numbers; what is missing is said; following ends when the mission is over.
 */
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { Mission } from '../../protocol/mission.ts';
import { followEvents } from '../clients/event-stream.ts';
import { withMissions, type MissionChannel } from '../clients/mission-channel.ts';
import type { Context } from '../io.ts';
import { logLine, missionWords, paintMission } from '../print/mission.ts';
import { safe, safeLines, styleFor } from '../print/style.ts';

export interface LogOptions {
  readonly follow?: true;
  readonly after?: number;
  readonly limit: number;
  readonly details?: true;
  readonly json?: true;
}

const PAGE = 500;
/** How often an agent, which has no event stream, looks again. */
const LOOK_SECONDS = 2;

export async function showLog(context: Context, id: string, options: LogOptions): Promise<void> {
  await withMissions(context, async (channel) => {
    const mission = await channel.mission(id);
    const reader = new Reader(context, channel, mission.id, options);
    reader.seen = options.after ?? Math.max(0, mission.logSeq - options.limit);
    await reader.rest();
    if (options.follow !== true) return;
    await (channel.access === undefined
      ? poll(context, channel, mission, reader)
      : stream(context, channel, mission, reader));
    await reader.rest();
    const last = await channel.mission(mission.id);
    if (missionIsOver(last.state) && options.json !== true) sayEnd(context, last);
  });
}

class Reader {
  seen = 0;
  readonly #context: Context;
  readonly #channel: MissionChannel;
  readonly #id: string;
  readonly #options: LogOptions;
  #reading: Promise<void> = Promise.resolve();

  constructor(context: Context, channel: MissionChannel, id: string, options: LogOptions) {
    this.#context = context;
    this.#channel = channel;
    this.#id = id;
    this.#options = options;
  }

  /** Prints all that there is after what was printed. One reading at a time. */
  rest(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#pages());
    return this.#reading;
  }

  async #pages(): Promise<void> {
    const { io } = this.#context;
    const style = styleFor(io.colour);
    for (let more = true; more && !io.signal.aborted;) {
      const page = await this.#channel.log(this.#id, { after: this.seen, limit: PAGE });
      if (page.missing > 0 && this.#options.json !== true) {
        io.err(style.yellow(`… ${page.missing} older entries are kept no more\n`));
      }
      for (const entry of page.entries) {
        if (this.#options.json === true) io.out(`${JSON.stringify(entry)}\n`);
        else io.out(logLine(entry, io.now(), style, this.#options.details === true));
      }
      this.seen = page.entries.at(-1)?.seq ?? this.seen;
      more = page.more;
    }
  }
}

/** A person's: the hub says when there is more. */
async function stream(context: Context, channel: MissionChannel, mission: Mission, reader: Reader): Promise<void> {
  const { access, place } = channel;
  if (access === undefined || place === undefined || missionIsOver(mission.state)) return;
  const { io } = context;
  const over = new AbortController();
  const signal = AbortSignal.any([io.signal, over.signal]);
  const after = await place();
  // What came before that place no event will tell.
  await reader.rest();
  if (missionIsOver((await channel.mission(mission.id)).state)) return;
  const quietly = (work: Promise<unknown>): void => void work.catch(() => over.abort());
  await followEvents({
    access,
    after,
    signal,
    onEvent: (event) => {
      if (event.type === 'mission.log' && event.missionId === mission.id) quietly(reader.rest());
      if (event.type !== 'mission.changed' || event.mission.id !== mission.id) return;
      if (missionIsOver(event.mission.state)) over.abort();
      else sayState(context, event.mission);
    },
    onNote: (text) => io.err(styleFor(io.colour).dim(`${text}\n`)),
  });
}

/** An agent's: it looks again and again, through its daemon. */
async function poll(context: Context, channel: MissionChannel, mission: Mission, reader: Reader): Promise<void> {
  let now = mission;
  while (!missionIsOver(now.state) && !context.io.signal.aborted) {
    const seconds = Math.min(LOOK_SECONDS, LONG_POLL_MAX_SECONDS);
    now = await channel.mission(mission.id, { seconds, unless: [now.state] });
    await reader.rest();
  }
}

function sayState({ io }: Context, mission: Mission): void {
  const why = mission.reason === undefined ? '' : `: ${safe(mission.reason)}`;
  io.err(styleFor(io.colour).dim(`… ${missionWords(mission)}${why}\n`));
}

function sayEnd({ io }: Context, mission: Mission): void {
  const style = styleFor(io.colour);
  const paint = paintMission(mission.state, style);
  const why = mission.reason === undefined ? '' : `: ${safe(mission.reason)}`;
  io.err(`${paint('●')} ${paint(missionWords(mission))}${why}\n`);
  if (mission.result !== undefined && mission.result.text !== '') io.out(`${safeLines(mission.result.text)}\n`);
}
