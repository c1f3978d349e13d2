import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createClient,
  createPool,
  isConnectionLost,
  isRetryable,
  isUnavailable,
  silentLog,
  sqlState,
} from "#infra";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

describe("connections to Postgres", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const connect = async (url: string) => {
    const client = createClient({ url, schema: database.schema, applicationName: "postgres.test" });
    client.on("error", () => {});
    await client.connect();
    return client;
  };

  it("give int8 as an exact number and numeric as a bigint, also in arrays", async () => {
    const client = await connect(database.appUrl);
    const { rows } = await client.query(
      `SELECT 12::int8 AS small, 340282366920938463463374607431768211455::numeric AS amount,
              ARRAY[1, NULL]::int8[] AS smalls, ARRAY[10::numeric ^ 30] AS amounts, DATE '2026-01-30' AS day`,
    );
    await client.end();
    expect(rows[0]).toEqual({
      small: 12,
      amount: 2n ** 128n - 1n,
      smalls: [1, null],
      amounts: [10n ** 30n],
      day: "2026-01-30",
    });
  });

  it("refuse an int8 that a number cannot hold, and a numeric with a fraction", async () => {
    const client = await connect(database.appUrl);
    await expect(client.query("SELECT 9007199254740993::int8")).rejects.toThrow("beyond 2^53");
    await expect(client.query("SELECT 0.5::numeric")).rejects.toThrow("not a whole number");
    await client.end();
  });

  it("find a ledger's tables by search_path alone, temporary objects last", async () => {
    const client = await connect(database.appUrl);
    const path = await client.query("SHOW search_path");
    const head = await client.query("SELECT next_seq FROM journal_head");
    await client.end();
    expect(path.rows[0].search_path).toBe(`"${database.schema}",pg_temp`);
    expect(head.rowCount).toBe(1);
  });

  it("are made for a role that owns no table and may create none", async () => {
    const client = await connect(database.appUrl);
    const owned = await client.query("SELECT 1 FROM pg_class WHERE relowner = current_user::regrole");
    const refusal = await client.query("CREATE TABLE mine (id int)").catch((error: unknown) => error);
    await client.end();
    expect(owned.rowCount).toBe(0);
    expect(sqlState(refusal)).toBe("42501");
  });

  it("say when a connection was lost, and a pool goes on with another one", async () => {
    const pool = createPool({ url: database.appUrl, applicationName: "victim", max: 1, log: silentLog() });
    const admin = await connect(database.adminUrl);
    const pid = (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
    const lost = pool.query("SELECT pg_sleep(60)").catch((error: unknown) => error);
    await admin.query("SELECT pg_terminate_backend($1)", [pid]);
    expect(isConnectionLost(await lost)).toBe(true);
    expect((await pool.query("SELECT 1::int8 AS one")).rows[0].one).toBe(1);
    await pool.end();
    await admin.end();
  });

  it("may break between two statements of whoever holds them: the next one is rejected, and nothing else", async () => {
    const pool = createPool({ url: database.appUrl, applicationName: "held", max: 1, log: silentLog() });
    const client = await pool.connect();
    const ended = new Promise<void>((done) => client.on("end", done));
    const admin = await connect(database.adminUrl);
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'held'",
    );
    await admin.end();
    await ended;
    await expect(client.query("SELECT 1")).rejects.toThrow();
    client.release(true);
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });

  it("tell a deadlock, which may be run again, from a refusal, which may not", async () => {
    const [one, two] = [await connect(database.appUrl), await connect(database.appUrl)];
    await one.query("SELECT pg_advisory_lock(1)");
    await two.query("SELECT pg_advisory_lock(2)");
    const outcomes = await Promise.allSettled([
      one.query("SELECT pg_advisory_lock(2)").finally(() => one.end()),
      two.query("SELECT pg_advisory_lock(1)").finally(() => two.end()),
    ]);
    const errors = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(errors).toHaveLength(1);
    expect(isRetryable(errors[0])).toBe(true);
    expect(isUnavailable(errors[0])).toBe(true);
    expect(isUnavailable(new TypeError("a bug"))).toBe(false);
  });
});
