import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, seconds, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

const path = (entity: string) => `/api/v1/entities/${entity}/reserve-compute`;
const reserve = (as: string, entity: string, body: object, key?: string) =>
  world.post(path(entity), body, { as, ...(key ? { key } : {}) });
const accessOf = async (user: string) => (await world.get(`/api/v1/tst/access/${user}`, { as: user })).body;

describe("reserving compute with TST", () => {
  it.each([
    ["risk", 1, 10],
    ["strategy", 2, 5],
    ["memory", 3, 5],
  ])("of %s adds to its quota at once", async (entity, entityType, added) => {
    const user = await world.fundedUser(20);
    const { status, body } = await reserve(user, "entity-1", { entity, duration_days: 30 });
    expect(status).toBe(200);
    expect(body).toEqual({
      reservation_id: expect.stringMatching(/^res_[0-9a-f]{32}$/),
      status: "reserved",
      user_id: user,
      entity,
      entity_type: entityType,
      entity_id: "entity-1",
      tst_reserved: "5",
      quota_per_day: added,
      reserved_until: expect.any(String),
      quota_remaining_today: 1 + added,
      tx_hash: null,
      contract_res_id: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      settlement: { status: "pending", epoch: null },
      created_at: expect.any(String),
    });
    expect(seconds(body.reserved_until) - seconds(body.created_at)).toBe(30 * DAY);
    const access = await accessOf(user);
    expect(access).toMatchObject({ available_tst: "15", reserved_tst: "5", total_tst_balance: "20" });
    expect(access.entity_access[entity]).toEqual({ quota_per_day: 1 + added, used_today: 0 });
    const read = await world.get(`/api/v1/entities/reservations/${body.reservation_id}`, { as: user });
    expect(read.body).toEqual(body);
  });

  it("adds to a tier's quota, and reservations for the same entity add up in one position", async () => {
    const user = await world.fundedUser(100);
    await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 1 }, { as: user });
    const first = await reserve(user, "e", { entity_type: 1, duration_days: 1 });
    const second = await reserve(user, "e", { entity_type: 1, entity: "risk", duration_days: 10 });
    expect(second.body.quota_remaining_today).toBe(25);
    expect(second.body.contract_res_id).toBe(first.body.contract_res_id);
    expect((await reserve(user, "f", { entity_type: 1, duration_days: 10 })).body.contract_res_id).not.toBe(
      first.body.contract_res_id,
    );
    await expectCoherent(world);
    await world.advance(DAY);
    await world.access.expireDue();
    const access = await accessOf(user);
    expect(access).toMatchObject({ reserved_tst: "10", staked_tst: "5" });
    expect(access.entity_quotas[0]).toMatchObject({ entity_type: 1, quota_today: 25 });
    const read = await world.get(`/api/v1/entities/reservations/${first.body.reservation_id}`, { as: user });
    expect(read.body).toMatchObject({ status: "expired", quota_remaining_today: 25 });
    await expectCoherent(world);
    await world.advance(9 * DAY);
    await world.access.expireDue();
    expect(await accessOf(user)).toMatchObject({ reserved_tst: "0", available_tst: "95" });
  });

  it.each([
    [{ duration_days: 30 }, "entity_type"],
    [{ entity: "weather", duration_days: 30 }, "entity"],
    [{ entity_type: 4, duration_days: 30 }, "entity_type"],
    [{ entity_type: 1, entity: "memory", duration_days: 30 }, "entity"],
    [{ entity: "risk", duration_days: 0 }, "duration_days"],
    [{ entity: "risk", duration_days: 366 }, "duration_days"],
    [{ entity: "risk", duration_days: 1.5 }, "duration_days"],
    [{ entity: "risk", duration_days: null }, "duration_days"],
    [{ entity: "risk", amount: 5 }, "amount"],
    [{ entity: "risk", entity_id: "another" }, "entity_id"],
    [{ entity: 1 }, "entity"],
    [{ entity_type: "1" }, "entity_type"],
  ])("refuses %j and names the member", async (body, member) => {
    const user = await world.fundedUser(5);
    const answer = await reserve(user, "e", body);
    expect([answer.status, answer.body.error]).toEqual([400, "invalid_request"]);
    expect(JSON.stringify(answer.body.details)).toContain(`"${member}"`);
  });

  it("refuses another user's id, and more than the balance", async () => {
    const user = await world.fundedUser("4.999999999999999999");
    expect((await reserve(user, "e", { entity: "risk", user_id: "other" })).status).toBe(403);
    const { status, body } = await reserve(user, "e", { entity: "risk", duration_days: 1 });
    expect([status, body.error]).toEqual([400, "insufficient_balance"]);
    expect((await accessOf(user)).entity_access.risk).toEqual({ quota_per_day: 1, used_today: 0 });
  });
});

describe("using a unit of quota", () => {
  it("answers what is left and when the day ends", async () => {
    const user = await world.fundedUser(5);
    await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 1 }, { as: user });
    const { status, headers, body } = await reserve(user, "strategy_123", {
      entity_type: 2,
      entity_id: "strategy_123",
    });
    expect(status).toBe(200);
    expect(headers.get("x-quota-gate")).toBe("bypassed");
    expect(body).toEqual({
      reservation_id: expect.stringMatching(/^res_[0-9a-f]{32}$/),
      user_id: user,
      entity_type: 2,
      entity_id: "strategy_123",
      quota_reserved: 1,
      quota_remaining_today: 4,
      reservation_expires_at: expect.stringMatching(/T00:00:00Z$/),
      contract_res_id: null,
      created_at: expect.any(String),
    });
    const left = seconds(body.reservation_expires_at) - seconds(body.created_at);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(DAY);
    const read = await world.get(`/api/v1/entities/reservations/${body.reservation_id}`, { as: user });
    expect(read.body).toEqual(body);
    expect((await accessOf(user)).entity_access.strategy).toEqual({ quota_per_day: 5, used_today: 1 });
  });

  it("is refused beyond the quota, consumes nothing then, and says when to come back", async () => {
    const user = "without-a-tier";
    expect((await reserve(user, "e", { entity: "risk" })).status).toBe(200);
    const { status, headers, body } = await reserve(user, "e", { entity: "risk" });
    expect([status, body.error]).toEqual([429, "quota_exceeded"]);
    const untilMidnight = DAY - ((await world.now()) % DAY);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(untilMidnight);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(untilMidnight + 60);
    expect((await reserve(user, "e", { entity: "memory" })).status).toBe(200);
    expect((await accessOf(user)).entity_access.risk).toEqual({ quota_per_day: 1, used_today: 1 });
    expect(await world.rows("SELECT id FROM access_consumed_unit WHERE user_id = $1", [user])).toHaveLength(
      2,
    );
  });

  it("starts anew at 00:00 UTC and not a second before", async () => {
    const user = "by-the-day";
    const { body } = await reserve(user, "e", { entity: "risk" });
    const secondsLeft = async () => seconds(body.reservation_expires_at) - (await world.now());
    await world.advance((await secondsLeft()) - 30);
    expect((await reserve(user, "e", { entity: "risk" })).status).toBe(429);
    await world.advance(Math.max(0, await secondsLeft()));
    const next = await reserve(user, "e", { entity: "risk" });
    expect(next.status).toBe(200);
    expect(seconds(next.body.reservation_expires_at)).toBe(seconds(body.reservation_expires_at) + DAY);
    expect((await accessOf(user)).entity_quotas[0]).toMatchObject({
      quota_used_today: 1,
      last_reset: body.reservation_expires_at,
    });
  });

  it("counts a raise at once, and takes nothing back that was used when a tier ends", async () => {
    const user = await world.fundedUser(25);
    await reserve(user, "e", { entity: "risk" });
    expect((await reserve(user, "e", { entity: "risk" })).status).toBe(429);
    await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 2 }, { as: user });
    for (const left of [8, 7, 6]) {
      const { body } = await reserve(user, "e", { entity: "risk" });
      expect(body.quota_remaining_today).toBe(left);
    }
    const end = { user_id: user, reason: "test" };
    await world.post("/api/v1/strategies/s/emergency-unstake", end, { as: "op", roles: ["operator"] });
    expect((await accessOf(user)).entity_quotas[0]).toMatchObject({
      quota_today: 1,
      quota_used_today: 4,
      quota_remaining: 0,
    });
    expect((await reserve(user, "e", { entity: "risk" })).status).toBe(429);
  });

  it("admits exactly 20 of 500 at once, and one for one key", async () => {
    const user = await world.fundedUser(100);
    await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 3 }, { as: user });
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, place) => reserve(user, `e-${place}`, { entity: "risk" })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(answers.filter(({ body }) => body.error === "quota_exceeded")).toHaveLength(480);
    const keyed = await Promise.all(
      Array.from({ length: 10 }, () => reserve(user, "e", { entity: "memory" }, "one")),
    );
    for (const { status, body } of keyed) expect([status, body]).toEqual([200, keyed[0]?.body]);
    expect((await accessOf(user)).entity_access.memory).toEqual({ quota_per_day: 20, used_today: 1 });
  });

  it("does not stay refused under a key whose refusal is over", async () => {
    const user = "again-tomorrow";
    await reserve(user, "e", { entity: "risk" });
    expect((await reserve(user, "e", { entity: "risk" }, "k")).status).toBe(429);
    await world.advance(DAY);
    expect((await reserve(user, "e", { entity: "risk" }, "k")).status).toBe(200);
  });

  it("shows a reservation to its user, operators and auditors alone", async () => {
    const user = await world.fundedUser(5);
    for (const body of [{ entity: "risk" }, { entity: "risk", duration_days: 1 }]) {
      const made = await reserve(user, "e", body);
      const at = `/api/v1/entities/reservations/${made.body.reservation_id}`;
      expect((await world.get(at, { as: "nosy" })).status).toBe(403);
      expect((await world.get(at, { as: "x", roles: ["auditor"] })).status).toBe(200);
    }
    expect((await world.get("/api/v1/entities/reservations/res_none", { as: user })).status).toBe(404);
  });
});
