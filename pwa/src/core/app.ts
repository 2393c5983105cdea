/**
 * The app behind the screens: holds the state, the stream and the person's sign-in, and does what a button asks. Screens read its stores
 * and call its methods; nothing here draws.
 *
 * Invariant: what is said to have happened has happened: every success comes from an answer of the hub.
 */
import type { Preferences, PreferencesPatch, WaitsPage } from '../../../src/protocol/attention.ts';
import type { IntercomError } from '../../../src/protocol/errors.ts';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import type { HubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Approval, Machine, Message, Operator, Trace } from '../../../src/protocol/model.ts';
import type { MessageStatus } from '../../../src/protocol/machine-api.ts';
import type { Mission } from '../../../src/protocol/mission.ts';
import type { Api, Decision, MissionOrder, NewMessage, NewMission } from './api.ts';
import { answerInto, boundedMissions, holeAfter, openLog, pageInto, sortedMissions } from './mission-state.ts';
import { newsOf } from './news.ts';
import { PushNotices, type PushBrowser } from './push.ts';
import type { Route } from './routes.ts';
import {
  applyEvent,
  fromSnapshot,
  isHuman,
  mergeApproval,
  mergeMachine,
  mergePending,
  mergeThreadPage,
  mergeThreads,
  placeOf,
  skipEvent,
  sortedThreads,
  type MeshState,
} from './state.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';
import { createStore } from './store.ts';
import { EventStream, type Connection, type StreamDeps, type StreamSink } from './stream.ts';

export type SignIn =
  | { readonly state: 'unknown' }
  | { readonly state: 'signing-in' }
  | { readonly state: 'in' }
  /** `problem`: why the last try failed, when there was one. */
  | { readonly state: 'out'; readonly problem?: IntercomError };

export interface Toast {
  readonly id: string;
  readonly tone: 'good' | 'bad' | 'calm' | 'wait';
  readonly text: string;
  /** What it is about: a newer one with the same key replaces it. */
  readonly key?: string;
  /** Where one goes on from here. */
  readonly route?: Route;
}
/** The page that the app is in. */
export interface PageDeps {
  readonly hidden: () => boolean;
  readonly route: () => Route;
  readonly push: PushBrowser;
}
const TOASTS_MAX = 4;
const TOLD_MAX = 1_000;

export class App {
  readonly mesh = createStore<MeshState | undefined>(undefined);
  readonly connection = createStore<Connection>({ state: 'off' });
  readonly signIn = createStore<SignIn>({ state: 'unknown' });
  readonly toasts = createStore<readonly Toast[]>([]);
  /** The hub speaks of things that this page does not know: it is the older one. */
  readonly outdated = createStore(false);
  /** Why the last attempt to read the whole state failed; undefined once it went well. */
  readonly problem = createStore<IntercomError | undefined>(undefined);
  /** Messages that the hub was told of as shown, or is being told of. */
  private readonly told = new Set<string>();
  readonly push: PushNotices;
  private readonly api: Api;
  private readonly page: PageDeps;
  private readonly stream: EventStream;

  constructor(api: Api, deps: StreamDeps, page: PageDeps) {
    this.api = api;
    this.page = page;
    this.stream = new EventStream(deps, this.sink());
    this.push = new PushNotices(page.push, {
      pushKey: () => this.guarded(() => this.api.pushKey()),
      subscribePush: (subscription) => this.guarded(() => this.api.subscribePush(subscription)),
      unsubscribePush: (endpoint) => this.guarded(() => this.api.unsubscribePush(endpoint)),
    });
  }

  /** Asks the hub who we are and goes live, or shows the way to sign in. */
  async start(): Promise<void> {
    try {
      await this.refresh();
    } catch (thrown) {
      // Anything but "not signed in" is the line's matter: the stream goes on trying.
      if (this.failed(thrown).code === 'unauthorized') return;
    }
    this.stream.start();
    // The hub may have lost the subscription of this browser; if it cannot be told now, the settings say so.
    if (this.signIn.get().state === 'in') this.push.look().catch(() => undefined);
  }

  async signInWith(code: string): Promise<void> {
    this.stream.stop();
    this.signIn.set({ state: 'signing-in' });
    try {
      await this.api.signIn(code);
    } catch (thrown) {
      this.mesh.set(undefined);
      this.signIn.set({ state: 'out', problem: toIntercomError(thrown) });
      return;
    }
    this.mesh.set(undefined);
    await this.start();
  }

  async signOut(): Promise<void> {
    await this.push.forget();
    await this.api.signOut();
    this.signedOut();
  }

  retryNow(): void {
    this.stream.retryNow();
  }

  visibilityChanged(): void {
    this.stream.visibilityChanged();
  }

  /** Somebody began or ceased to look at this page. */
  lookingChanged(): void {
    this.stream.lookingChanged();
  }

  /** Decides an approval as it was shown. Throws what the hub refused; `conflict` when somebody was first. */
  async decide(approval: Approval, decision: Omit<Decision, 'shownHash'>): Promise<Approval> {
    const decided = await this.guarded(() =>
      this.api.decide(approval.id, { ...decision, shownHash: approval.shownHash }),
    );
    this.change((state) => mergeApproval(state, decided));
    return decided;
  }

  /** Fetches the next of the pending approvals that are not here. */
  async morePending(): Promise<void> {
    const after = this.mesh.get()?.unlisted?.after;
    if (after === undefined) return;
    const page = await this.guarded(() => this.api.pendingAfter(after));
    // A snapshot in between has its own place to go on from.
    this.change((state) => (state.unlisted?.after === after ? mergePending(state, page) : state));
  }

  /** Fetches a conversation, or its page before the oldest message that is here. */
  async openThread(id: string, before?: string): Promise<void> {
    const page = await this.guarded(() => this.api.thread(id, before));
    this.change((state) => mergeThreadPage(state, page, before !== undefined));
  }

  /** Fetches threads older than the ones that are here; false when there are none. */
  async olderThreads(): Promise<boolean> {
    const state = this.mesh.get();
    const oldest = state === undefined ? undefined : sortedThreads(state.threads).at(-1);
    const page = await this.guarded(() => this.api.threads(oldest?.id));
    this.change((now) => mergeThreads(now, page.threads));
    return page.more;
  }

  /** Sends a text. The caller keeps `key` over retries, so that a lost answer never makes a second message. */
  async send(message: NewMessage, key: string): Promise<MessageStatus> {
    return this.guarded(() => this.api.submit({ ...message, idempotencyKey: key }));
  }

  async trace(messageId: string): Promise<Trace> {
    return this.guarded(() => this.api.trace(messageId));
  }

  /** A person sees these messages: tells the hub once of each that was sent to the operators and is not delivered yet. */
  sawMessages(messages: readonly Message[]): void {
    const me = this.mesh.get()?.me;
    if (me === undefined || !mayAct(me)) return;
    for (const message of messages) {
      const news = message.state === 'queued' && isHuman(message.to) && message.from !== `human:${me.name}`;
      if (!news || this.told.has(message.id)) continue;
      if (this.told.size >= TOLD_MAX) this.told.clear();
      this.told.add(message.id);
      // What fails is told again when the conversation is drawn anew.
      this.guarded(() => this.api.shown(message.id)).catch(() => this.told.delete(message.id));
    }
  }

  async cancelMessage(messageId: string): Promise<MessageStatus> {
    return this.guarded(() => this.api.cancel(messageId));
  }

  /** Fetches a mission and what its log lacks here, up to the newest entry. */
  async openMission(id: string): Promise<void> {
    // Opened first, so that what events bring meanwhile is kept.
    this.change((state) => ({ ...state, logs: openLog(state.logs, id) }));
    const mission = await this.takeMission(() => this.api.mission(id));
    this.change((state) => ({ ...state, logs: openLog(state.logs, mission.id) }));
    const log = this.mesh.get()?.logs.get(mission.id);
    let after = log === undefined ? undefined : holeAfter(log, mission.logSeq);
    // Every page brings at least one entry or ends it, so this ends.
    while (after !== undefined) {
      const from = after;
      const page = await this.guarded(() => this.api.missionLog(mission.id, from));
      this.change((state) => ({ ...state, logs: pageInto(state.logs, mission.id, page) }));
      after = page.more ? page.entries.at(-1)?.seq : undefined;
    }
  }

  /** Fetches missions older than the ones that are here; false when there are none. */
  async olderMissions(): Promise<boolean> {
    const state = this.mesh.get();
    const oldest = state === undefined ? undefined : sortedMissions(state.missions).over.at(-1);
    const page = await this.guarded(() => this.api.missions(oldest?.id));
    this.change((now) => {
      const merged = new Map(page.missions.map((mission) => [mission.id, mission]));
      for (const [id, mission] of now.missions) merged.set(id, mission);
      return { ...now, missions: boundedMissions(merged) };
    });
    return page.more;
  }

  /** Starts a mission. The caller keeps `key` over retries, so that a lost answer never starts a second one. */
  async startMission(mission: NewMission, key: string): Promise<Mission> {
    return this.takeMission(() => this.api.startMission({ ...mission, idempotencyKey: key }));
  }

  async orderMission(id: string, order: MissionOrder, text?: string): Promise<Mission> {
    return this.takeMission(() => this.api.orderMission(id, order, text));
  }

  async sendToMission(id: string, text: string): Promise<MessageStatus> {
    return this.guarded(() => this.api.sendToMission(id, text));
  }

  async renameMachine(id: string, name: string): Promise<void> {
    this.tookMachine(await this.guarded(() => this.api.renameMachine(id, name)));
  }

  async revokeMachine(id: string): Promise<void> {
    this.tookMachine(await this.guarded(() => this.api.revokeMachine(id)));
  }

  async rotateMachine(id: string): Promise<void> {
    this.tookMachine(await this.guarded(() => this.api.rotateMachine(id)));
  }

  async removeMachine(id: string): Promise<void> {
    await this.guarded(() => this.api.removeMachine(id));
  }

  async waits(days: number, before?: string): Promise<WaitsPage> {
    return this.guarded(() => this.api.waits(days, before));
  }

  async preferences(): Promise<Preferences> {
    return this.guarded(() => this.api.preferences());
  }

  async changePreferences(patch: PreferencesPatch): Promise<Preferences> {
    return this.guarded(() => this.api.changePreferences(patch));
  }

  toast(tone: Toast['tone'], text: string, about: Pick<Toast, 'key' | 'route'> = {}): void {
    const toast: Toast = { id: newId('log'), tone, text, ...about };
    const others = (list: readonly Toast[]) => list.filter(({ key }) => key === undefined || key !== about.key);
    this.toasts.update((list) => [...others(list), toast].slice(-TOASTS_MAX));
  }

  dismissToast(id: string): void {
    this.toasts.update((list) => list.filter((toast) => toast.id !== id));
  }

  private tookMachine(machine: Machine): void {
    this.change((state) => mergeMachine(state, machine));
  }

  /** Asks for a mission and takes the answer, unless an event was faster. */
  private async takeMission(ask: () => Promise<Mission>): Promise<Mission> {
    const whenAsked = this.mesh.get()?.missions;
    const mission = await this.guarded(ask);
    this.change((state) => ({ ...state, missions: answerInto(state.missions, whenAsked, mission) }));
    return mission;
  }

  private change(change: (state: MeshState) => MeshState): void {
    const state = this.mesh.get();
    if (state !== undefined) this.mesh.set(change(state));
  }

  private async refresh(): Promise<void> {
    let snapshot: Snapshot;
    try {
      snapshot = await this.api.snapshot();
    } catch (thrown) {
      this.problem.set(toIntercomError(thrown));
      throw thrown;
    }
    this.problem.set(undefined);
    this.mesh.set(fromSnapshot(snapshot, this.mesh.get()));
    this.signIn.set({ state: 'in' });
  }

  /** A call that notices when the sign-in is over. */
  private async guarded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      throw this.failed(thrown);
    }
  }

  private failed(thrown: unknown): IntercomError {
    const error = toIntercomError(thrown);
    if (error.code === 'unauthorized') this.signedOut();
    if (error.code === 'unsupported_version') this.outdated.set(true);
    return error;
  }

  private signedOut(): void {
    this.stream.stop();
    this.mesh.set(undefined);
    this.signIn.set({ state: 'out' });
  }

  private event(seq: number, change: (state: MeshState) => MeshState): 'taken' | 'hole' {
    const state = this.mesh.get();
    if (state === undefined || placeOf(state, seq) === 'hole') return 'hole';
    this.mesh.set(change(state));
    return 'taken';
  }

  /** A word about an event for who is on another screen; nobody sees the one of a hidden page, and it would be old news later. */
  private tell(before: MeshState, event: HubEvent): void {
    const news = newsOf(before, event);
    if (news === undefined) return;
    if (news.do === 'clear') {
      this.toasts.update((list) =>
        list.some(({ key }) => key === news.key) ? list.filter(({ key }) => key !== news.key) : list,
      );
      return;
    }
    const isOnScreen = news.tone === 'wait' && this.page.route().at === 'attention';
    if (!isOnScreen && !this.page.hidden()) this.toast(news.tone, news.text, { key: news.key, route: news.route });
  }

  private sink(): StreamSink {
    return {
      position: () => this.mesh.get(),
      refresh: () => this.refresh(),
      event: (event: HubEvent) => {
        const before = this.mesh.get();
        const result = this.event(event.seq, (state) => applyEvent(state, event));
        if (before !== undefined && result === 'taken' && event.seq > before.seq) this.tell(before, event);
        return result;
      },
      unreadable: (seq) => {
        this.outdated.set(true);
        return this.event(seq, (state) => skipEvent(state, seq));
      },
      connection: (now) => this.connection.set(now),
      mayRetry: async () => {
        try {
          await this.api.me();
          return true;
        } catch (thrown) {
          return this.failed(thrown).code !== 'unauthorized';
        }
      },
      failed: (error) => this.failed(error),
    };
  }
}

/** The operator may decide and write. */
export function mayAct(me: Operator): boolean {
  return me.role !== 'viewer';
}

export function isOwner(me: Operator): boolean {
  return me.role === 'owner';
}
