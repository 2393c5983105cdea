/** Something that happens once, and that others wait for. */
export class Occurrence<T> {
  readonly promise: Promise<T>;
  #resolve: (value: T) => void = () => undefined;

  constructor() {
    this.promise = new Promise<T>((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The second time is nothing. */
  happen(value: T): void {
    this.#resolve(value);
  }
}
