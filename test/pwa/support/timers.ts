/** A clock that the test holds, with its timers. */
export class TestTimers {
  time = 1_000_000;
  #next = 1;
  readonly #waiting = new Map<number, { readonly at: number; readonly action: () => void }>();
  now = (): number => this.time;
  set = (action: () => void, ms: number): number => {
    this.#waiting.set(this.#next, { at: this.time + ms, action });
    return this.#next++;
  };
  clear = (id: number): void => {
    this.#waiting.delete(id);
  };
  /** Lets time pass, running what is due in its order. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.#waiting].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#waiting.delete(due[0]);
      this.time = due[1].at;
      due[1].action();
    }
    this.time = end;
  }
}
