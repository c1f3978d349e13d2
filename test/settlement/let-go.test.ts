/** A connection whose work failed is given back: with its locks where it still answers, and in bounded time where it does not. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPool, silentLog } from "#infra";
import { letGo } from "../../src/settlement/let-go.ts";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let proxy: CutProxy;
let pool: ReturnType<typeof createPool>;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startCutProxy(database.appUrl);
  const { schema } = database;
  pool = createPool({ url: proxy.url, schema, applicationName: "let-go-test", max: 2, log: silentLog() });
});
afterAll(async () => {
  await pool?.end();
  await proxy?.close();
  await database?.drop();
});

/** A connection in the middle of work, with a lock of its session. */
async function working() {
  const client = await pool.connect();
  await client.query("SELECT pg_advisory_lock(7)");
  await client.query("BEGIN");
  return client;
}

async function isLockFree(): Promise<boolean> {
  const { rows } = await pool.query<{ is_free: boolean }>(
    "SELECT pg_try_advisory_lock(7) AS is_free, pg_advisory_unlock(7)",
  );
  return rows[0]?.is_free === true;
}

it("gives the locks back before it answers", async () => {
  await letGo(await working(), 600_000);
  expect(await isLockFree()).toBe(true);
});

it("does not wait for an answer from a wire that died without a word", async () => {
  const client = await working();
  proxy.isMute = true;
  await letGo(client, 1);
  proxy.isMute = false;
  // The wire is cut, so that Postgres, where it hears of it, lets go as well.
  await expect.poll(isLockFree, { timeout: 20_000 }).toBe(true);
});
