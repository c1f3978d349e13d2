/**
 * Who brings what to its end, and when: one run for each other ledger, so that
 * one which does not answer keeps nothing waiting for the others. What is asked
 * for while a run is under way is looked at by one more turn of it. Never
 * rejects: what could not be brought is looked at again by whoever asks next.
 */
export interface Run {
  /** Looked at once more before it ends. */
  again: boolean;
  readonly done: Promise<void>;
}

export class Deliveries {
  readonly #runs = new Map<string, Run>();
  readonly #turn: (ledgerId: string) => Promise<void>;
  #stopped = false;

  /** @param turn brings to its end what waits for a ledger, and never rejects */
  constructor(turn: (ledgerId: string) => Promise<void>) {
    this.#turn = turn;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** What was written before this call is looked at, whatever is under way. */
  wake(ledgerId: string): void {
    if (this.#stopped) return;
    const run = this.#runs.get(ledgerId);
    if (run) run.again = true;
    else this.#begin(ledgerId);
  }

  #begin(ledgerId: string): void {
    const run: Run = { again: true, done: Promise.resolve().then(() => this.#take(ledgerId, run)) };
    this.#runs.set(ledgerId, run);
  }

  async #take(ledgerId: string, run: Run): Promise<void> {
    while (run.again && !this.#stopped) {
      run.again = false;
      await this.#turn(ledgerId);
    }
    // Nothing is awaited since `again` was looked at: whoever wakes after this begins another run.
    this.#runs.delete(ledgerId);
  }

  /** Answers when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all([...this.#runs.values()].map(({ done }) => done));
  }

  /** Ends what is under way after the step it is at; nothing begins any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.idle();
  }
}
