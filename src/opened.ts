/** What was opened, to be closed in the opposite order. */
export class Opened {
  readonly #ends: (() => unknown)[] = [];

  keep<T>(part: T, end: (part: T) => unknown): T {
    this.#ends.push(() => end(part));
    return part;
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end();
  }
}
