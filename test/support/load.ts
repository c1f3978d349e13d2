/** Users who lock for one agreement after the other, whatever the server does, and remember what it said. */
import type { Answer, TestServer } from "./server-client.ts";

export const LOCK_AMOUNT = 10;

interface Attempt {
  readonly user: string;
  readonly agreement: string;
  /** Null where no answer came. */
  answer: Answer | null;
}

export class LockLoad {
  readonly attempts: Attempt[] = [];
  readonly #server: TestServer;
  readonly #users: readonly string[];
  #next = 0;
  #running = true;
  #workers: Promise<unknown> = Promise.resolve();

  constructor(server: TestServer, users: readonly string[]) {
    this.#server = server;
    this.#users = users;
  }

  start(clients: number): void {
    this.#running = true;
    this.#workers = Promise.all(Array.from({ length: clients }, () => this.#work()));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#workers;
  }

  answered(status: number): Attempt[] {
    return this.attempts.filter(({ answer }) => answer?.status === status);
  }

  /** The same request under the same key. */
  send({ user, agreement }: Pick<Attempt, "user" | "agreement">): Promise<Answer> {
    const body = { amount: LOCK_AMOUNT };
    return this.#server.post(`/api/v1/p2p/${agreement}/lock-tst`, body, user, ["user"], `key-${agreement}`);
  }

  async #work(): Promise<void> {
    while (this.#running) {
      const number = this.#next++;
      const user = this.#users[number % this.#users.length] ?? "";
      const attempt: Attempt = { user, agreement: `agreement-${number}`, answer: null };
      this.attempts.push(attempt);
      try {
        attempt.answer = await this.send(attempt);
      } catch {
        // Nobody listens for a moment: give the new process the processor.
        await new Promise((done) => setTimeout(done, 20));
      }
    }
  }
}
