/** Quotas over HTTP: who may hold, see and end what, and what the answers say. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { quotaRoutes } from "#api";
import { systemIds } from "#kernel";
import { QuotaHolds } from "#quota";
import { startApi } from "../support/api-app.ts";
import type { TestDatabase } from "../support/database.ts";
import { bearer } from "../support/tokens.ts";
import {
  advanceClock,
  allow,
  consume,
  createQuotaDatabase,
  type Instance,
  newUser,
  startInstance,
} from "./harness.ts";

let database: TestDatabase;
let a: Instance;
let api: Awaited<ReturnType<typeof startApi>>;
let user: string;

beforeAll(async () => {
  database = await createQuotaDatabase();
  a = await startInstance(database, null);
  const holds = new QuotaHolds({ quota: a.quota, dataSource: a.dataSource, ids: systemIds });
  api = await startApi(quotaRoutes({ quota: a.quota, holds }));
});
afterAll(async () => {
  await api.close();
  await a.stop();
  await database.drop();
});
beforeEach(async () => {
  user = newUser();
  await allow(a, user, 10);
});

async function call(method: string, path: string, body?: unknown, as = bearer(user, "user"), key?: string) {
  const response = await fetch(`${api.url}/api/v1/quotas${path}`, {
    method,
    headers: {
      authorization: as,
      "content-type": "application/json",
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}
const operator = () => bearer("the-operator", "operator");
const quotaOf = async (userId: string) => {
  const { body } = await call("GET", `?user_id=${userId}`, undefined, operator());
  const { limit, used, held, remaining } = body.quotas[0];
  return { limit, used, held, remaining };
};

describe("a hold over HTTP", () => {
  it("is made, extended and committed by its user", async () => {
    const made = await call("POST", "/holds", {
      entity: "risk",
      units: 4,
      ttl_seconds: 60,
      reference: "job-1",
    });
    expect(made.status).toBe(200);
    expect(made.headers.get("x-quota-gate")).toBe("bypassed");
    const { hold_id, created_at, expires_at, day } = made.body;
    expect(made.body).toEqual({
      ...{ hold_id, created_at, expires_at, day },
      ...{ status: "open", user_id: user, entity_type: 1, entity: "risk", units: 4, reference: "job-1" },
      ...{ committed: null, ended_at: null },
    });
    expect(created_at.startsWith(day)).toBe(true);
    expect(Date.parse(expires_at) - Date.parse(created_at)).toBe(60_000);
    expect(await quotaOf(user)).toEqual({ limit: 10, used: 0, held: 4, remaining: 6 });
    expect((await call("GET", "/holds?entity_type=1")).body.data).toEqual([made.body]);

    const extended = await call("POST", `/holds/${hold_id}/extend`, { ttl_seconds: 600, units: 5 });
    expect(extended.body).toMatchObject({ hold_id, units: 5 });
    const committed = await call("POST", `/holds/${hold_id}/commit`, { units: 3 });
    expect(committed.body).toMatchObject({ hold_id, status: "committed", units: 5, committed: 3 });
    expect(await call("GET", `/holds/${hold_id}`)).toMatchObject({ status: 200, body: committed.body });
    expect((await call("POST", `/holds/${hold_id}/commit`, { units: 3 })).body).toEqual(committed.body);
    const released = await call("POST", `/holds/${hold_id}/release`, {});
    expect(released).toMatchObject({
      status: 409,
      body: { error: "not_active", details: { status: "committed" } },
    });
    expect((await call("GET", "/holds?entity_type=1")).body.data).toEqual([]);
    expect(await quotaOf(user)).toEqual({ limit: 10, used: 3, held: 0, remaining: 7 });
  });

  it("is refused with 429 where the day has not enough, and when more is committed than there is", async () => {
    const made = await call("POST", "/holds", { entity_type: 1, units: 8 });
    const refused = await call("POST", "/holds", { entity_type: 1, units: 3 });
    expect(refused).toMatchObject({
      status: 429,
      body: {
        error: "quota_exceeded",
        message: expect.stringContaining("quota of 10, of which 0 is used and 8 is held"),
        details: { quota_used_today: 0, quota_held_today: 8, quota_remaining: 2 },
      },
    });
    // The hold ends by itself before the day does, and leaves room.
    const retryAfter = Number(refused.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(900);
    const commit = await call("POST", `/holds/${made.body.hold_id}/commit`, { units: 11 });
    expect(commit).toMatchObject({
      status: 429,
      body: { error: "quota_exceeded", details: { requested: 11, held: 8, quota_remaining: 2 } },
    });
    expect(await quotaOf(user)).toEqual({ limit: 10, used: 0, held: 8, remaining: 2 });
  });

  it("is done once with a key, whatever it is", async () => {
    const key = randomUUID();
    const made = await call("POST", "/holds", { entity_type: 1, units: 4 }, undefined, key);
    const again = await call("POST", "/holds", { entity_type: 1, units: 4 }, undefined, key);
    expect(again.body).toEqual(made.body);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const other = await call("POST", "/holds", { entity_type: 1, units: 5 }, undefined, key);
    expect(other).toMatchObject({ status: 422, body: { error: "idempotency_key_reused" } });
    const path = `/holds/${made.body.hold_id}/release`;
    const released = await call("POST", path, {}, undefined, "release");
    expect((await call("POST", path, {}, undefined, "release")).body).toEqual(released.body);
    expect((await quotaOf(user)).remaining).toBe(10);
  });

  it("of a user that an operator made is seen by the user and ended by operators", async () => {
    const made = await call("POST", "/holds", { user_id: user, entity_type: 1, units: 4 }, operator());
    expect(made.body.user_id).toBe(user);
    const path = `/holds/${made.body.hold_id}`;
    expect((await call("GET", path)).status).toBe(200);
    for (const [end, body] of [
      ["commit", {}],
      ["release", {}],
      ["extend", { ttl_seconds: 9 }],
    ] as const)
      expect((await call("POST", `${path}/${end}`, body)).body.error).toBe("forbidden");
    // Who made it is no operator any more, and it was never theirs.
    const former = bearer("the-operator", "user");
    expect((await call("POST", `${path}/commit`, {}, former)).body.error).toBe("forbidden");
    expect((await call("POST", `${path}/commit`, {}, operator())).body.committed).toBe(4);
  });

  it("is nothing for another user", async () => {
    const made = await call("POST", "/holds", { entity_type: 1, units: 4 });
    const stranger = bearer("stranger", "user");
    const path = `/holds/${made.body.hold_id}`;
    expect((await call("GET", path, undefined, stranger)).status).toBe(403);
    expect((await call("POST", `${path}/release`, {}, stranger)).status).toBe(403);
    expect((await call("POST", "/holds", { user_id: user, entity_type: 1, units: 1 }, stranger)).status).toBe(
      403,
    );
    expect((await call("GET", `?user_id=${user}`, undefined, stranger)).status).toBe(403);
    expect((await call("GET", `/holds?entity_type=1&user_id=${user}`, undefined, stranger)).status).toBe(403);
    expect((await call("GET", `/usage?entity_type=1&user_id=${user}`, undefined, stranger)).status).toBe(403);
    expect((await call("GET", "/holds/hold_none")).status).toBe(404);
  });

  it("asks for what can be held", async () => {
    for (const body of [
      { units: 1 },
      { entity_type: 1 },
      { entity_type: 1, units: 0 },
      { entity_type: 1, units: 1.5 },
      { entity_type: 1, units: 1, ttl_seconds: 0 },
      { entity_type: 1, units: 1, ttl_seconds: 604_801 },
      { entity_type: 99, units: 1 },
      { entity: "nothing", units: 1 },
      { entity: "memory", entity_type: 1, units: 1 },
    ])
      expect([body, (await call("POST", "/holds", body)).body.error]).toEqual([body, "invalid_request"]);
  });

  it("is listed in pages", async () => {
    for (let made = 0; made < 5; made++) await call("POST", "/holds", { entity_type: 1, units: 1 });
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await call("GET", `/holds?entity_type=1&limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.data.map((hold: { hold_id: string }) => hold.hold_id));
      cursor = body.next_cursor;
    }
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(5);
  });
});

describe("the history", () => {
  it("says what was used in which hour, page by page, and adds up to the day", async () => {
    // From the beginning of an hour on, so that none ends in the middle of the test.
    const [{ left }] = await a.dataSource.query("SELECT 3600 - ledger_now() % 3600 AS left");
    await advanceClock(database, left);
    await allow(a, user, 100);
    const used: Record<string, number> = {};
    const hourNow = async () => {
      const [row] = await a.dataSource.query("SELECT ledger_now() / 3600 AS hour");
      return new Date(row.hour * 3_600_000).toISOString().replace(".000", "");
    };
    const [first] = await a.dataSource.query("SELECT ledger_now() AS now");
    for (let hour = 0; hour < 4; hour++) {
      if (hour > 0) await advanceClock(database, 3_600);
      await allow(a, user, 100 + hour);
      const at = await hourNow();
      await consume(a, { userId: user, units: hour + 1 });
      await consume(a, { userId: user, units: 1 });
      used[at] = hour + 2;
    }
    const expected = Object.entries(used).map(([hour, units]) => ({ hour, used: units }));
    expect((await call("GET", "/usage?entity_type=1")).body).toEqual({ data: expected, next_cursor: null });
    const page = await call("GET", "/usage?entity_type=1&limit=3");
    expect(page.body.data).toEqual(expected.slice(0, 3));
    const rest = await call("GET", `/usage?entity_type=1&limit=3&cursor=${page.body.next_cursor}`);
    expect(rest.body).toEqual({ data: expected.slice(3), next_cursor: null });
    const from = new Date((first.now + 3_600) * 1_000).toISOString();
    const to = expected[2]?.hour ?? "";
    const some = await call(
      "GET",
      `/usage?entity_type=1&from=${from}&to=${to}&user_id=${user}`,
      undefined,
      operator(),
    );
    expect(some.body.data).toEqual(expected.slice(1, 2));
    expect((await call("GET", `/usage?entity_type=1&from=${to}&to=${from}`)).body.error).toBe(
      "invalid_request",
    );
    expect((await call("GET", "/usage?entity_type=2")).body.data).toEqual([]);
  });
});

describe("thresholds over HTTP", () => {
  it("are said by operators and read by everybody", async () => {
    const set = (thresholds: number[], as = operator()) =>
      call("PUT", "/thresholds", { entity: "memory", thresholds }, as);
    expect((await set([90, 10, 90])).body).toEqual({
      entity_type: 3,
      entity: "memory",
      thresholds: [10, 90],
    });
    expect((await call("GET", "/thresholds")).body.data).toEqual([
      { entity_type: 1, entity: "risk", thresholds: [50, 80, 100] },
      { entity_type: 2, entity: "strategy", thresholds: [50, 80, 100] },
      { entity_type: 3, entity: "memory", thresholds: [10, 90] },
    ]);
    expect((await set([50], bearer(user, "user"))).status).toBe(403);
    for (const wrong of [[0], [101], [1.5], Array.from({ length: 11 }, (_, place) => place + 1)])
      expect((await set(wrong)).body.error).toBe("invalid_request");
    expect((await set([])).body.thresholds).toEqual([]);
  });
});
