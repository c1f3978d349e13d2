/** Users who lock for one agreement after the other, whatever the server does, and remember what it said. */
import { expect, vi } from "vitest";
import type { Answer, TestServer } from "./server-client.ts";

export const LOCK_AMOUNT = 10;

const WAIT = { timeout: 60_000, interval: 50 };

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

  /** Until it was answered `count` times more than now. */
  async moreAnswers(status: number, count: number): Promise<void> {
    const goal = this.answered(status).length + count;
    await vi.waitFor(() => expect(this.answered(status).length).toBeGreaterThanOrEqual(goal), WAIT);
  }

  get users(): readonly string[] {
    return this.#users;
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

/**
 * Every request again under its key: what was answered answers the same, what was not is done now; once each.
 *
 * @param funds what each user was granted
 */
export async function expectLocksOnce(server: TestServer, load: LockLoad, funds: number): Promise<void> {
  for (const attempt of load.attempts) {
    const again = await load.send(attempt);
    expect(again.status, JSON.stringify(again.body)).toBe(200);
    if (attempt.answer?.status === 200) {
      expect(again.headers.get("idempotent-replayed"), attempt.agreement).toBe("true");
      expect(again.body).toEqual(attempt.answer.body);
    }
  }
  for (const user of load.users) {
    const locks = load.attempts.filter((attempt) => attempt.user === user).length;
    const { body } = await server.get(`/api/v1/tst/access/${user}`, user, "user");
    expect(body).toMatchObject({
      total_tst_balance: `${funds}`,
      locked_tst: `${locks * LOCK_AMOUNT}`,
      active_locks_total: locks,
    });
  }
  const books = await server.get("/api/v1/ledger/trial-balance", "auditor", "auditor");
  expect(books.body.data).toMatchObject([{ asset: "TST", difference: "0" }]);
}
