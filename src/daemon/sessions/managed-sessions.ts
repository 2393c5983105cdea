/**
 * The sessions of our runners in the session book, with the ways into them and the answers to their hooks (managed.ts has the contract).
 *
 * Agents with an adapter are published by it, which asks here whether a process is a runner's; the others are published here, by what their fold tells. The screens of all
 * go into the activity of their sessions, as a witness. An agent that asks something (trust, login) before its adapter can know it is published here until then.
 * Invariants: a run has at most one session in the book; a session is managed only while its run is attached.
 */
import { Emitter } from '../../platform/emitter.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { isSessionId } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { DeliveryRung, Session } from '../../protocol/model.ts';
import type { ScreenState, TypingOutcome } from '../../protocol/runner-api.ts';
import { deedOfEvent } from '../agents/event-deeds.ts';
import type { AgentEvent } from '../agents/program.ts';
import type { AgentHooks, HookAnswer, Projects, SessionBook, Unsubscribe } from '../ports.ts';
import type { ActivityBook } from './activity/activity-book.ts';
import { NotSent } from './agent-port.ts';
import type { InboxChannel } from './agent-port.ts';
import type { DeliveryEngine } from './delivery.ts';
import type { DialogDesk } from './dialog-desk.ts';
import type {
  DialogAnswer,
  ManagedFacts,
  ManagedHook,
  ManagedLookup,
  ManagedRun,
  ManagedSession,
  ManagedSessions,
  RunnerLookup,
} from './managed.ts';

/** What any agent's box shows whole, also in a narrow terminal: Gemini's has ten lines, and what cannot be seen whole in it cannot be confirmed. */
const TYPED_MAX = 600;

export interface ManagedBookOptions {
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  /** Whether the adapter of this run's agent puts its session into the book itself. */
  readonly hasAdapter: (run: ManagedRun) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is built after it: hooks and delivery need to know managed sessions themselves. */
export interface ManagedParts {
  readonly hooks: AgentHooks;
  readonly delivery: Pick<DeliveryEngine, 'undelivered' | 'promptSeen' | 'printed' | 'turnEnded'>;
  /** Asks people about what the screens show and no hook tells. */
  readonly dialogs?: Pick<DialogDesk, 'seen' | 'ended'>;
}

export class ManagedBook implements ManagedSessions, ManagedLookup, RunnerLookup {
  readonly #options: ManagedBookOptions;
  readonly #attached = new Set<Attached>();
  readonly #changes: Emitter<void>;
  #parts: ManagedParts | undefined;

  constructor(options: ManagedBookOptions) {
    this.#options = options;
    this.#changes = new Emitter((err) => options.log.error({ err }, 'a listener for managed sessions failed'));
    options.activities.onChange((session) => {
      for (const attached of this.#attached) if (attached.key === session) attached.publish();
    });
  }

  connect(parts: ManagedParts): void {
    this.#parts = parts;
  }

  attach(run: ManagedRun): ManagedSession {
    const attached = new Attached(run, {
      ...this.#options,
      published: !this.#options.hasAdapter(run),
      parts: () => this.#parts,
      changed: () => this.#changes.emit(),
      ended: () => {
        this.#attached.delete(attached);
        this.#changes.emit();
      },
    });
    this.#attached.add(attached);
    attached.publish();
    this.#changes.emit();
    return attached;
  }

  of(session: string, pid: number | undefined): ManagedFacts | undefined {
    const found = this.#find(session, pid);
    return found === undefined ? undefined : { run: found.run };
  }

  ofRunner(runner: string): { readonly agent: string; readonly session: string | undefined } | undefined {
    const found = [...this.#attached].find(({ run }) => run.runner === runner);
    return found === undefined ? undefined : { agent: found.run.program.name, session: found.id };
  }

  onChange(listener: () => void): Unsubscribe {
    return this.#changes.subscribe(listener);
  }

  /** The way into a managed session that is ours; undefined: its adapter's own way is better. */
  channelOf(session: Session): Promise<InboxChannel> | undefined {
    if (session.rung !== 'stream' && session.rung !== 'typed') return undefined;
    return this.#find(session.id, session.pid)?.open(session.rung);
  }

  /** The process first; of several runs of one session (the older has ended and is not told yet) the newest. */
  #find(session: string, pid: number | undefined): Attached | undefined {
    const all = [...this.#attached];
    const byPid = pid === undefined ? undefined : all.find((one) => one.pid === pid);
    return byPid ?? all.findLast((one) => one.id === session);
  }
}

interface AttachedOptions extends ManagedBookOptions {
  /** It is put into the book from here. */
  readonly published: boolean;
  readonly parts: () => ManagedParts | undefined;
  readonly changed: () => void;
  readonly ended: () => void;
}

const NOTHING: HookAnswer = { text: '' };
/** Its adapter does not know it yet. */
const UNMET = 'It asks something at its terminal before it takes anything.';

class Attached implements ManagedSession {
  readonly run: ManagedRun;
  readonly #options: AttachedOptions;
  #session: string | undefined;
  #pid: number | undefined;
  /** What was put into the book from here last. */
  #put: Session | undefined;
  #screen: ScreenState | undefined;
  #ended = false;

  constructor(run: ManagedRun, options: AttachedOptions) {
    this.run = run;
    this.#options = options;
    this.#pid = run.pid;
    // An agent whose own id is never known is called by its runner's.
    this.#session = run.session ?? (options.published ? run.runner : undefined);
    options.activities.meet(this.key, true);
  }

  /** What its activity is kept by. */
  get key(): string {
    return this.#session ?? this.run.runner;
  }

  get id(): string | undefined {
    return this.#session;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  started(pid: number): void {
    if (this.#ended) return;
    this.#pid = pid;
    this.publish();
    this.#options.changed();
  }

  event(event: AgentEvent): void {
    if (this.#ended) return;
    if (event.kind === 'session') this.#is(event.session);
    if (event.kind === 'turn_started' && event.prompt !== undefined) this.#prompted(event.prompt);
    // Adapters hear the same from hooks and servers, with more in it.
    const deed = this.#options.published ? deedOfEvent(event) : undefined;
    if (deed === undefined) return;
    const { activities, clock } = this.#options;
    activities.tell(this.key, { kind: 'event', source: 'stream', at: clock.now(), deed });
    this.publish();
  }

  async hook(call: ManagedHook): Promise<HookAnswer> {
    const { run } = this;
    const hooks = this.#options.parts()?.hooks;
    if (hooks === undefined || this.#ended) return NOTHING;
    try {
      return await hooks.event({
        agent: run.program.name,
        event: call.event,
        caller: { agent: run.program.name, pid: this.#pid, session: this.#session, cwd: run.cwd },
        body: call.body,
        signal: call.signal,
        key: call.key,
        unattended: run.runtime === 'headless',
        ...(run.mission === undefined ? {} : { mission: run.mission.id }),
      });
    } catch (err) {
      this.#options.log.warn({ err, event: call.event }, 'a hook of a managed session failed');
      return NOTHING;
    }
  }

  printed(offer: string): void {
    this.#options.parts()?.delivery.printed(offer, 'printed by its hook');
  }

  screen(state: ScreenState): void {
    if (this.#ended) return;
    const { channel } = this.run;
    const terminal = {
      run: this.run,
      session: () => this.key,
      answer: (answer: DialogAnswer) => channel.answer(answer),
    };
    this.#screen = state;
    // First, so that the session is in the book when its dialog is told.
    this.#options.activities.see(this.key, state);
    this.#options.parts()?.dialogs?.seen(terminal, state);
  }

  undelivered(): number {
    if (this.#session === undefined) return 0;
    return this.#options.parts()?.delivery.undelivered(this.#session) ?? 0;
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.parts()?.dialogs?.ended(this.run.runner);
    this.#options.ended();
    const { book, activities } = this.#options;
    if (this.#isOurs()) book.end(this.key, reason);
    // An adapter that still has it forgets it itself.
    if (book.get(this.key) === undefined) activities.forget(this.key);
  }

  // ── the way in ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(rung: 'stream' | 'typed'): Promise<InboxChannel> {
    if (this.#ended) throw closed('its agent has ended');
    return rung === 'stream' ? this.#stream() : this.#keyboard();
  }

  #stream(): InboxChannel {
    const { program, channel } = this.run;
    return {
      send: async (wake) => {
        const line = program.inputLine?.(wake.text, wake.id);
        if (line === undefined) throw new NotSent('this agent takes no input while it runs');
        await channel.write(line);
      },
      close: () => undefined,
    };
  }

  #keyboard(): InboxChannel {
    const state = this.#screen?.state;
    if (state !== 'prompt') throw closed(`its terminal is not at its prompt (${state ?? 'not seen yet'})`);
    if ((this.#screen?.box ?? '') !== '') throw closed('something is being typed at its terminal');
    const { channel } = this.run;
    return {
      send: async (wake) => {
        const outcome = await channel.type(typedText(wake.text));
        if (outcome !== 'typed') throw new NotSent(OUTCOMES[outcome]);
        return 'typed into its terminal: seen in its box, then Enter';
      },
      close: () => undefined,
    };
  }

  // ── the book ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  publish(): void {
    const { book, projects, activities } = this.#options;
    const { run, key } = this;
    if (this.#ended || !this.#isOurs()) return;
    const activity = activities.fields(key);
    if (!this.#options.published && this.#put === undefined && activity.state !== 'waiting') return;
    const { rung, note } = this.#way();
    this.#put = {
      id: key,
      project: projects.forDirectory(run.cwd).id,
      agent: run.program.name,
      ...(this.#pid === undefined ? {} : { pid: this.#pid }),
      cwd: run.cwd,
      ...(run.agentVersion === undefined ? {} : { agentVersion: run.agentVersion }),
      ...activity,
      startedAt: run.startedAt,
      managed: true,
      ...(run.mission === undefined ? {} : { mission: run.mission.id }),
      rung,
      ...(note === undefined ? {} : { rungNote: note }),
    };
    book.put(this.#put);
  }

  /** Nobody else has put it into the book: an adapter takes over as soon as it knows the session. */
  #isOurs(): boolean {
    if (this.#options.published) return true;
    const there = this.#options.book.get(this.key);
    return (
      there === undefined || (this.#put !== undefined && there.agent === this.#put.agent && there.rungNote === UNMET)
    );
  }

  #way(): { readonly rung: DeliveryRung; readonly note: string | undefined } {
    if (!this.#options.published) return { rung: 'none', note: UNMET };
    if (this.run.runtime === 'terminal')
      return { rung: 'typed', note: 'It has no inbox and no hooks: mail is typed when its prompt is free.' };
    if (this.run.program.inputLine !== undefined) return { rung: 'stream', note: undefined };
    return { rung: 'pull', note: 'It takes nothing while it runs: it gets its mail when it asks.' };
  }

  #is(session: string): void {
    if (session === this.#session || !isSessionId(session)) return;
    const { book, activities } = this.#options;
    const before = this.key;
    if (this.#put !== undefined && this.#isOurs()) book.end(before, 'It is another session now.');
    this.#session = session;
    this.#put = undefined;
    activities.rename(before, session);
    if (this.#screen !== undefined) activities.see(session, this.#screen);
    this.publish();
    this.#options.changed();
  }

  #prompted(prompt: string): void {
    if (this.#session === undefined) return;
    const told = this.#options.parts()?.delivery.promptSeen(this.#session, prompt, 'the agent took it in as a prompt');
    told?.catch((err: unknown) => this.#options.log.warn({ err }, 'a prompt could not be noted'));
  }
}

/** One line, because Enter would send each of several, and as much as is typed at once; the rest is fetched by the agent. */
export function typedText(text: string): string {
  const line = text
    .trim()
    .replace(/\s*\n\s*/g, ' ⏎ ')
    .replaceAll('\t', ' ');
  if (line.length <= TYPED_MAX) return line;
  const end = ' … (cut; read the rest with intercom_check_inbox or intercom_history)';
  return line.slice(0, TYPED_MAX - end.length).replace(/[\ud800-\udbff]$/, '') + end;
}

const OUTCOMES: Readonly<Record<Exclude<TypingOutcome, 'typed'>, string>> = {
  not_a_terminal: 'it has no terminal',
  dialog_open: 'a dialog is open at its terminal',
  not_at_prompt: 'its terminal is not at its prompt',
  busy: 'the agent works',
  box_not_empty: 'something is being typed at its terminal',
  person_typing: 'someone is typing at its terminal',
  person_has_keyboard: 'someone has its keyboard',
  screen_changed: 'its screen changed while it was typed',
  not_confirmed: 'the text was not seen in its box, and was taken back',
  unknown_screen: 'its screen is not understood',
  ended: 'its agent has ended',
  already_typing: 'something else is being typed',
  unfit_text: 'the text cannot be typed as one prompt',
};

function closed(why: string): IntercomError {
  return new IntercomError('unreachable', `There is no way into the session now: ${why}.`, {
    next: 'It is tried again by itself.',
  });
}
