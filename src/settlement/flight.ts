/**
 * Statements of one transaction that were sent and are not waited for yet. Where one fails, all that come after it fail with
 * the transaction, and are perhaps waited for sooner: what failed first is what is told.
 */
export class Flight {
  readonly #sent: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | undefined;

  add(statement: Promise<unknown>): void {
    this.#sent.push(statement);
    statement.catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** @throws what failed first */
  async landed(): Promise<void> {
    await Promise.allSettled(this.#sent);
    if (this.#failure) throw this.#failure.error;
  }

  /** What failed first; `error` where all that has answered so far did what it should. */
  causeOf(error: unknown): unknown {
    return this.#failure ? this.#failure.error : error;
  }
}
