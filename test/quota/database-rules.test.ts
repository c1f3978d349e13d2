/** The quota rules of the database itself, attacked with plain SQL as the application's role. */
import type { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { constraintName, createClient, SQL_STATE, sqlState } from "#infra";
import type { TestDatabase } from "../support/database.ts";
import { createQuotaDatabase } from "./harness.ts";

let database: TestDatabase;
let app: Client;
let today: number;

beforeAll(async () => {
  database = await createQuotaDatabase();
  app = createClient({ url: database.appUrl, schema: database.schema, applicationName: "attacker" });
  await app.connect();
  const { rows } = await app.query<{ day: number }>("SELECT now / 86400 AS day FROM take_head()");
  today = rows[0]?.day ?? 0;
});
afterAll(async () => {
  await app.end();
  await database.drop();
});
beforeEach(async () => {
  user = `user-${count++}`;
});

let user = "";
let count = 0;

/** What refused the statement: a rule's name, else the SQLSTATE; "accepted" where nothing did. */
async function refusal(sql: string, values: unknown[] = []): Promise<string> {
  try {
    await app.query(sql, values);
    return "accepted";
  } catch (error) {
    return constraintName(error) ?? sqlState(error) ?? String(error);
  }
}

/** A hold as the writer makes it; its units have to be counted in usage by the same transaction. */
const hold = (units: number, more: { status?: string; day?: number; id?: string } = {}) => {
  const { status = "open", day = today, id = `hold-${count++}` } = more;
  return refusal(
    `INSERT INTO quota_hold (id, user_id, entity_type, day, units, created_by, created_at, expires_at, status)
     VALUES ($1, $2::text, 1, $3::int, $4, $2::text, $3::int::bigint * 86400, $3::int::bigint * 86400 + 60, $5)`,
    [id, user, day, units, status],
  );
};
const use = (used: number, held = 0, day = today, entityType = 1) =>
  refusal(
    `INSERT INTO usage (user_id, entity_type, day, used, held, version, next_expiry)
     VALUES ($1, $2, $3, $4, $5::bigint, 1, CASE WHEN $5::bigint > 0 THEN 1 END)`,
    [user, entityType, day, used, held],
  );
const allow = (quota: number) =>
  refusal("INSERT INTO allowance (user_id, entity_type, quota_per_day, version) VALUES ($1, 1, $2, 1)", [
    user,
    quota,
  ]);
const change = (set: string) => refusal(`UPDATE usage SET ${set} WHERE user_id = $1`, [user]);

describe("usage", () => {
  it("begins within the default of the kind", async () => {
    expect(await use(2)).toBe("usage_within_quota");
    expect(await use(1, 1)).toBe("usage_within_quota");
    expect(await use(1)).toBe("accepted");
  });

  it("grows up to the allowance in force, used and held together, and no further", async () => {
    expect(await allow(10)).toBe("accepted");
    const id = `hold-of-${user}`;
    expect(await hold(3, { id })).toBe("accepted");
    expect(await use(4, 3)).toBe("accepted");
    expect(await change("used = 11, version = version + 1")).toBe("usage_within_quota");
    expect(await change("held = 7, version = version + 1")).toBe("usage_within_quota");
    expect(await change("used = 7, held = 3, version = version + 1")).toBe("accepted");
    const commit =
      "UPDATE quota_hold SET status = 'committed', committed = 3, ended_at = created_at WHERE id = $1";
    expect(await refusal(commit, [id])).toBe("accepted");
    expect(await change("used = 10, held = 0, next_expiry = NULL, version = version + 1")).toBe("accepted");
  });

  it("is refused as a whole where one row of many is beyond its quota", async () => {
    const rows = Array.from(
      { length: 50 },
      (_, place) => `('${user}-${place}', 1, ${today}, ${place === 31 ? 2 : 1}, 0, 1)`,
    );
    expect(await refusal(`INSERT INTO usage VALUES ${rows.join()}`)).toBe("usage_within_quota");
    const { rows: found } = await app.query("SELECT FROM usage WHERE user_id LIKE $1 || '-%'", [user]);
    expect(found).toHaveLength(0);
  });

  it("is bound by an upsert, too, for the rows it inserts and those it updates", async () => {
    await allow(5);
    const upsert = (used: number, version: number) =>
      refusal(
        `INSERT INTO usage VALUES ($1, 1, $2, $3, 0, $4), ($1 || 'x', 1, $2, 1, 0, $4)
         ON CONFLICT (user_id, entity_type, day) DO UPDATE SET used = excluded.used, version = excluded.version`,
        [user, today, used, version],
      );
    expect(await upsert(5, 1)).toBe("accepted");
    expect(await upsert(6, 2)).toBe("usage_within_quota");
    expect(await upsert(5, 2)).toBe("accepted");
  });

  it("does not grow on another day than that of the ledger's head", async () => {
    await allow(10);
    expect(await use(1, 0, today - 1)).toBe("usage_within_quota");
    expect(await use(1, 0, today + 1)).toBe("usage_within_quota");
  });

  it("never gives back what was used, nor takes a version twice", async () => {
    await allow(10);
    const id = `hold-of-${user}`;
    await hold(2, { id });
    expect(await use(5, 2)).toBe("accepted");
    expect(await change("used = 4, version = version + 1")).toBe("usage_only_grows");
    expect(await change("used = 6")).toBe("usage_only_grows");
    await refusal("UPDATE quota_hold SET status = 'released', ended_at = created_at WHERE id = $1", [id]);
    expect(await change("held = 0, next_expiry = NULL, version = version + 1")).toBe("accepted");
  });

  it("holds what its open holds hold, no more and no less", async () => {
    await allow(10);
    expect(await use(1, 2)).toBe("usage_held_by_holds");
    await hold(2);
    expect(await use(1, 3)).toBe("usage_held_by_holds");
    expect(await use(1, 2)).toBe("accepted");
    expect(await change("held = 0, next_expiry = NULL, version = version + 1")).toBe("usage_held_by_holds");
    expect(await change("next_expiry = NULL, version = version + 1")).toBe("usage_next_expiry");
  });

  it("tells of a threshold once, so the highest one never falls", async () => {
    await allow(10);
    await use(5);
    expect(await change("told = 50, version = version + 1")).toBe("accepted");
    expect(await change("told = 0, version = version + 1")).toBe("usage_only_grows");
    expect(await change("told = 101, version = version + 1")).toBe("usage_told_check");
  });

  it("writes its own history, an hour a row, which adds up to it", async () => {
    await allow(10);
    await use(3);
    await change("used = 7, version = version + 1");
    const { rows } = await app.query("SELECT sum(used)::int AS used FROM usage_hour WHERE user_id = $1", [
      user,
    ]);
    expect(rows).toEqual([{ used: 7 }]);
  });

  it("keeps within a lowered allowance as soon as that is committed", async () => {
    await allow(10);
    await use(5);
    await refusal("UPDATE allowance SET quota_per_day = 3, version = version + 1 WHERE user_id = $1", [user]);
    expect(await change("used = 6, version = version + 1")).toBe("usage_within_quota");
  });

  it("may use the allowance that was in force earlier in the same transaction, and not more", async () => {
    await allow(10);
    await use(1);
    const lowered = async (used: number) => {
      await app.query("BEGIN");
      await refusal("UPDATE allowance SET quota_per_day = 3, version = version + 1 WHERE user_id = $1", [
        user,
      ]);
      const outcome = await change(`used = ${used}, version = version + 1`);
      await app.query("ROLLBACK");
      return outcome;
    };
    expect(await lowered(11)).toBe("usage_within_quota");
    expect(await lowered(10)).toBe("accepted");
  });

  it("belongs to an entity type that exists", async () => {
    expect(await use(0, 0, today, 99)).toBe("usage_within_quota");
  });
});

describe("a hold", () => {
  const id = () => `hold-of-${user}`;
  const end = (set: string) => refusal(`UPDATE quota_hold SET ${set} WHERE id = $1`, [id()]);
  beforeEach(() => hold(2, { id: id() }));

  it("begins open, on the day on which it is made", async () => {
    expect(await hold(1, { status: "committed" })).toBe("quota_hold_state");
    expect(
      await refusal(
        `INSERT INTO quota_hold (id, user_id, entity_type, day, units, created_by, created_at, expires_at, status)
         VALUES ($1::text || 'x', $1::text, 1, 5, 1, $1::text, 0, 60, 'open')`,
        [user],
      ),
    ).toBe("quota_hold_day");
  });

  it("ends once", async () => {
    expect(await end("status = 'released', ended_at = created_at")).toBe("accepted");
    for (const set of [
      "status = 'open', ended_at = NULL",
      "status = 'committed', committed = 1",
      "units = 7",
      "expires_at = expires_at + 1",
    ])
      expect([set, await end(set)]).toEqual([set, "quota_hold_ends_once"]);
  });

  it("is committed or released before it expires, and expires no earlier", async () => {
    expect(await end("status = 'committed', committed = 1, ended_at = expires_at")).toBe("quota_hold_times");
    expect(await end("status = 'released', ended_at = expires_at")).toBe("quota_hold_times");
    expect(await end("status = 'expired', ended_at = expires_at - 1")).toBe("quota_hold_times");
    expect(await end("status = 'committed', ended_at = created_at")).toBe("quota_hold_state");
    expect(await end("expires_at = expires_at - 1")).toBe("quota_hold_ends_once");
    expect(await end("status = 'expired', ended_at = expires_at")).toBe("accepted");
  });
});

describe("the application's role", () => {
  it("cannot delete, empty or re-key usage and allowances, nor write the kinds or the allowance's history", async () => {
    await allow(5);
    await use(1);
    for (const sql of [
      "DELETE FROM usage",
      "DELETE FROM allowance",
      "TRUNCATE usage",
      "DELETE FROM quota_hold",
      "UPDATE quota_hold SET user_id = 'other'",
      "INSERT INTO usage_hour VALUES ('other', 1, 1, 1)",
      "UPDATE usage_hour SET used = 0",
      "DELETE FROM usage_hour",
      "TRUNCATE allowance",
      "UPDATE usage SET day = day + 1, version = version + 1",
      "UPDATE usage SET user_id = 'other'",
      "UPDATE allowance SET limit_before = 1000",
      "UPDATE allowance SET changed_in = pg_current_xact_id()",
      "INSERT INTO allowance (user_id, entity_type, quota_per_day, version, limit_before) VALUES ('other', 1, 5, 1, 500)",
      "UPDATE quota_kind SET default_per_day = 1000",
      "INSERT INTO quota_kind VALUES (4, 'other', 1000)",
      "ALTER TABLE usage DISABLE TRIGGER ALL",
      "SELECT guard_usage()",
    ])
      expect([sql, await refusal(sql)]).toEqual([sql, SQL_STATE.insufficientPrivilege]);
  });

  it("cannot set a limit that no number of units could have", async () => {
    expect(await allow(-1)).toBe("quota_units_check");
    expect(await allow(1_000_000_000_001)).toBe("quota_units_check");
    expect(
      await refusal(
        "INSERT INTO allowance (user_id, entity_type, quota_per_day, version) VALUES ($1, 77, 1, 1)",
        [user],
      ),
    ).toBe("allowance_entity_type_fkey");
  });

  it("gives a changed allowance a higher version", async () => {
    await allow(5);
    expect(await refusal("UPDATE allowance SET quota_per_day = 6 WHERE user_id = $1", [user])).toBe(
      "allowance_version",
    );
  });
});

describe("two writers at once", () => {
  it("cannot both take the last unit", async () => {
    await allow(5);
    await use(4);
    const rival = createClient({ url: database.appUrl, schema: database.schema, applicationName: "rival" });
    await rival.connect();
    const take = "UPDATE usage SET used = used + 1, version = version + 1 WHERE user_id = $1";
    await app.query("BEGIN");
    await app.query(take, [user]);
    const second = rival.query(take, [user]).then(
      () => "accepted",
      (error: unknown) => constraintName(error),
    );
    await app.query("COMMIT");
    expect(await second).toBe("usage_within_quota");
    await rival.end();
  });
});
