/** Which session a thread was last brought to, so that a conversation stays where it is. Bounded: the threads that were longest silent are forgotten. */
const THREADS_MAX = 1000;

export class ThreadSessions {
  readonly #sessions = new Map<string, string>();

  of(thread: string): string | undefined {
    return this.#sessions.get(thread);
  }

  note(thread: string, session: string): void {
    this.#sessions.delete(thread);
    this.#sessions.set(thread, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > THREADS_MAX && oldest !== undefined) this.#sessions.delete(oldest);
  }
}
