/** More requests than the writer takes, over real HTTP: those beyond are told so at once, the others are all answered. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ledgerRoutes } from "#api";
import type { Ledger } from "#ledger";
import { startApi, type TestApi } from "../support/api-app.ts";
import { expectCoherent } from "../support/coherence.ts";
import { connect, openTestLedger, PATIENT, startLedger, type TestLedger } from "../support/ledger.ts";
import { bearer } from "../support/tokens.ts";

const ROOM = 200;
const TRANSFERS_A_REQUEST = 20;
const REQUESTS = 25;

let books: TestLedger;
let ledger: Ledger;
let api: TestApi;

beforeAll(async () => {
  books = await startLedger();
  ledger = await openTestLedger(books.database, { ...PATIENT, limits: { queueWeight: ROOM } });
  api = await startApi(ledgerRoutes({ ledger, database: books.source }));
});
afterAll(async () => {
  await api.close();
  await ledger.close();
  await expectCoherent(books);
  await books.close();
});

test("beyond the queue's bound is 503 with Retry-After, and what was taken is written once the head is free", async () => {
  const [debit_account, credit_account] = [await books.open(), await books.open()];
  const send = async (transfers: object[]) =>
    fetch(`${api.url}/api/v1/ledger/transfers`, {
      method: "POST",
      headers: { authorization: bearer("olga", "operator"), "content-type": "application/json" },
      body: JSON.stringify({ transfers }),
    });
  const bodies = Array.from({ length: REQUESTS }, () =>
    Array.from({ length: TRANSFERS_A_REQUEST }, () => ({
      ...{ id: randomUUID(), debit_account, credit_account, amount: "0.01", code: "load" },
    })),
  );
  const blocker = await connect(books.database.ownerUrl, books.database);
  await blocker.query("BEGIN");
  await blocker.query("SELECT take_head()");
  const watcher = await connect(books.database.adminUrl, books.database);
  // One request is in the batch that waits for the head; the next ten fill the queue.
  const first = send(bodies[0] ?? []);
  await vi.waitFor(
    async () => {
      const { rows } = await watcher.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      expect(rows).toHaveLength(1);
    },
    { timeout: 20_000 },
  );
  let refused = 0;
  const others = bodies.slice(1).map(async (body) => {
    const answer = await send(body);
    if (answer.status === 503) refused += 1;
    return answer;
  });
  const beyond = REQUESTS - 1 - ROOM / TRANSFERS_A_REQUEST;
  await vi.waitFor(() => expect(refused).toBe(beyond), { timeout: 20_000 });
  await blocker.query("COMMIT");
  await blocker.end();
  await watcher.end();

  const answers = await Promise.all([first, ...others]);
  for (const answer of answers) {
    const body = (await answer.json()) as { results: { code: string }[] };
    if (answer.status === 503) {
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(body).toMatchObject({ error: "unavailable" });
    } else {
      expect(answer.status).toBe(200);
      expect(new Set(body.results.map(({ code }) => code))).toEqual(new Set(["ok"]));
    }
  }
  const done = answers.filter(({ status }) => status === 200).length;
  expect(done).toBe(REQUESTS - beyond);
  const [row] = await books.asOwner("SELECT count(*) AS n FROM transfer");
  expect(row?.n).toBe(done * TRANSFERS_A_REQUEST);
  // A client that sends the refused ones again, as it was told, has all of them done once.
  for (const [place, answer] of answers.entries()) {
    if (answer.status === 503) expect((await send(bodies[place] ?? [])).status).toBe(200);
  }
  expect((await books.asOwner("SELECT count(*) AS n FROM transfer"))[0]?.n).toBe(
    REQUESTS * TRANSFERS_A_REQUEST,
  );
});
