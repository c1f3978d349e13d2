/** Whatever happens to a user's lock, stake or reservation is told of once, with the user as the subject. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorld, DAY, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.stop());

interface Told {
  readonly type: string;
  readonly subject: string;
  readonly data: Record<string, unknown>;
}

/** Events of a user since the last call. */
async function told(user: string): Promise<Told[]> {
  const rows = await world.rows<Told & { seq: number }>(
    "SELECT seq, type, subject, data FROM event WHERE subject = $1 AND seq > $2 ORDER BY seq",
    [user, seen.get(user) ?? 0],
  );
  seen.set(user, rows.at(-1)?.seq ?? seen.get(user) ?? 0);
  return rows;
}
const seen = new Map<string, number>();
const types = async (user: string) => (await told(user)).map(({ type }) => type);

describe("a lock", () => {
  it("is told of when it is made, asked to end, ended early, and released", async () => {
    const user = await world.fundedUser(100);
    expect(await told(user)).toMatchObject([
      { type: "grant.made", subject: user, data: { user_id: user, asset: "TST", amount: "100" } },
    ]);
    const body = { amount: 10, counterparty_id: "bob", duration_days: 1 };
    const { body: lock } = await world.post("/api/v1/p2p/told/lock-tst", body, { as: user });
    expect((await told(user))[0]).toEqual({
      ...{ seq: expect.any(Number), type: "lock.created", subject: user },
      data: {
        ...{ lock_id: lock.lock_id, user_id: user, agreement_id: "told", counterparty_id: "bob" },
        ...{ amount: "10", level: 1, locked_until: lock.locked_until },
      },
    });
    await world.post("/api/v1/p2p/told/terminate", {}, { as: "bob" });
    await world.post("/api/v1/p2p/told/terminate", {}, { as: "bob" });
    expect(await told(user)).toMatchObject([{ type: "lock.termination_requested", data: { by: "bob" } }]);
    await world.post("/api/v1/p2p/told/terminate", {}, { as: user });
    expect(await told(user)).toMatchObject([{ type: "lock.terminated", data: { by: null } }]);

    await world.post("/api/v1/p2p/told/lock-tst", body, { as: user });
    await world.post("/api/v1/p2p/told/terminate", {}, { as: "ann", roles: ["arbiter"] });
    expect((await told(user)).at(-1)).toMatchObject({ type: "lock.terminated", data: { by: "ann" } });

    await world.post("/api/v1/p2p/told/lock-tst", body, { as: user });
    await world.advance(DAY);
    await world.post("/api/v1/p2p/told/release", {}, { as: user });
    await world.post("/api/v1/p2p/told/release", {}, { as: user });
    expect(await types(user)).toEqual(["lock.created", "lock.released"]);
  });

  it("that its locker wants to end is news for the other party", async () => {
    const user = await world.fundedUser(10);
    await world.post("/api/v1/p2p/asked/lock-tst", { amount: 10, counterparty_id: "dora" }, { as: user });
    await world.post("/api/v1/p2p/asked/terminate", {}, { as: user });
    expect(await told("dora")).toMatchObject([
      { type: "lock.termination_requested", data: { agreement_id: "asked", user_id: user, by: user } },
    ]);
    expect(await types(user)).toEqual(["grant.made", "lock.created"]);
  });

  it("that is refused, or repeated under its key, is told of no more than once", async () => {
    const user = await world.fundedUser(15);
    await told(user);
    const lock = () => world.post("/api/v1/p2p/once/lock-tst", { amount: 10 }, { as: user, key: "k" });
    await Promise.all([lock(), lock(), lock()]);
    await world.post("/api/v1/p2p/once/lock-tst", { amount: 10 }, { as: user });
    await world.post("/api/v1/p2p/more/lock-tst", { amount: 10 }, { as: user });
    expect(await types(user)).toEqual(["lock.created"]);
  });
});

describe("stakes and reservations", () => {
  it("are told of when they are made, raised, ended by time and returned by an operator", async () => {
    const user = await world.fundedUser(1_000);
    await told(user);
    const upgrade = (tier: number) => world.post("/api/v1/strategies/s/upgrade-tier", { tier }, { as: user });
    await upgrade(1);
    await upgrade(2);
    expect(await told(user)).toMatchObject([
      { type: "stake.created", data: { strategy_id: "s", tier: 1, user_id: user } },
      { type: "stake.upgraded", data: { tier: 2, previous_tier: 1 } },
    ]);
    const end = { user_id: user, reason: "a reason" };
    await world.post("/api/v1/strategies/s/emergency-unstake", end, { as: "op", roles: ["operator"] });
    const [returned] = await told(user);
    expect(returned).toMatchObject({ type: "stake.returned", data: { tier: 2 } });
    expect(JSON.stringify(returned)).not.toContain("a reason");

    await upgrade(1);
    const entity = { entity: "risk", duration_days: 2 };
    const { body } = await world.post("/api/v1/entities/e/reserve-compute", entity, { as: user });
    expect((await told(user)).at(-1)).toMatchObject({
      type: "compute.reserved",
      data: { reservation_id: body.reservation_id, entity_id: "e", amount: body.tst_reserved },
    });
    await world.advance(400 * DAY);
    await world.access.expireDue();
    await world.access.expireDue();
    expect((await types(user)).sort()).toEqual(["compute.expired", "stake.expired"]);
  });
});
