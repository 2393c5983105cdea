/** Codex' dialogs on their way to whoever decides, told to the activity of their sessions: what is asked, and when it is over. */
import type { Clock } from '../../../platform/clock.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { Deed, ToolCall } from '../../sessions/activity/observations.ts';
import { askWords } from '../tool-words.ts';
import type { Dialog, DialogDesk, DialogVerdict } from './approvals.ts';

export class DialogActivity implements DialogDesk {
  readonly #options: DialogActivityOptions;
  readonly #open = new Map<string, { readonly session: string; readonly call: ToolCall }>();

  constructor(options: DialogActivityOptions) {
    this.#options = options;
  }

  open(dialog: Dialog, answer: (verdict: DialogVerdict) => boolean): void {
    const { ref, session, ask } = dialog;
    const call = { tool: ask.tool, input: ask.input, id: ref };
    this.#open.set(ref, { session, call });
    this.#tell(session, { does: 'asks', wait: { kind: 'permission', what: askWords(ask.tool, ask.input) }, call });
    this.#options.desk.open(dialog, (verdict) => {
      const isFirst = answer(verdict);
      if (isFirst) this.#over(ref);
      return isFirst;
    });
  }

  close(ref: string, outcome: 'answered_elsewhere' | 'withdrawn'): void {
    this.#over(ref);
    this.#options.desk.close(ref, outcome);
  }

  #over(ref: string): void {
    const open = this.#open.get(ref);
    if (open === undefined) return;
    this.#open.delete(ref);
    this.#tell(open.session, { does: 'is_answered', call: open.call });
  }

  #tell(session: string, deed: Deed): void {
    const { activities, clock, changed } = this.#options;
    activities.tell(session, { kind: 'event', source: 'app_server', at: clock.now(), deed });
    changed(session);
  }
}

interface DialogActivityOptions {
  readonly desk: DialogDesk;
  readonly activities: ActivityBook;
  readonly clock: Clock;
  /** What the session does may be different now. */
  readonly changed: (session: string) => void;
}
