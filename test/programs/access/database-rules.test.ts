/** What the database refuses, whatever the application believes: plain SQL as the application's role. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { constraintName, sqlState } from "#infra";
import { createWorld, DAY, type World } from "./world.ts";

let world: World;
let lockId: string;
let stakeId: string;
let reservationId: string;
beforeAll(async () => {
  world = await createWorld();
  const as = await world.fundedUser(100);
  lockId = (await world.post("/api/v1/p2p/a/lock-tst", { amount: 10 }, { as })).body.lock_id;
  stakeId = (await world.post("/api/v1/strategies/s/upgrade-tier", { tier: 2 }, { as })).body.stake_id;
  const compute = { entity: "risk", duration_days: 1 };
  reservationId = (await world.post("/api/v1/entities/e/reserve-compute", compute, { as })).body
    .reservation_id;
  await world.post("/api/v1/entities/e/reserve-compute", { entity: "risk" }, { as });
  await world.post("/api/v1/p2p/ended/lock-tst", { amount: 10 }, { as });
  await world.post("/api/v1/p2p/ended/terminate", {}, { as: "judge", roles: ["arbiter"] });
});
afterAll(() => world.stop());

async function refusal(sql: string, ...parameters: unknown[]): Promise<string | undefined> {
  try {
    await world.rows(sql, parameters);
  } catch (error) {
    const driver = (error as { driverError: unknown }).driverError;
    return constraintName(driver) ?? sqlState(driver);
  }
  return "nothing";
}

const DENIED = "42501";

describe("the access program's tables", () => {
  it("allow one active lock an agreement and one active stake a user and strategy", async () => {
    const lock = `INSERT INTO access_lock OVERRIDING USER VALUE SELECT (jsonb_populate_record(l, '{"id": "second"}')).* FROM access_lock l WHERE id = $1`;
    expect(await refusal(lock, lockId)).toBe("access_lock_active");
    const stake = `INSERT INTO access_stake OVERRIDING USER VALUE SELECT (jsonb_populate_record(s, '{"id": "second"}')).* FROM access_stake s WHERE id = $1`;
    expect(await refusal(stake, stakeId)).toBe("access_stake_active");
  });

  it("never let what ended become active again, nor end before its time without a right to it", async () => {
    expect(
      await refusal("UPDATE access_lock SET status = 'locked', ended_at = NULL WHERE agreement_id = 'ended'"),
    ).toBe("access_lock_transition");
    const release = "UPDATE access_lock SET status = 'released', ended_at = created_at WHERE id = $1";
    expect(await refusal(release, lockId)).toBe("access_lock_not_before_due");
    const terminate = "UPDATE access_lock SET status = 'terminated', ended_at = created_at WHERE id = $1";
    expect(await refusal(terminate, lockId)).toBe("access_lock_terminated_by_right");
    const unstake = "UPDATE access_stake SET status = 'expired', ended_at = created_at WHERE id = $1";
    expect(await refusal(unstake, stakeId)).toBe("access_stake_not_before_due");
    const unreserve = "UPDATE access_reservation SET status = 'expired', ended_at = created_at WHERE id = $1";
    expect(await refusal(unreserve, reservationId)).toBe("access_reservation_not_before_due");
  });

  it("keep what was agreed", async () => {
    expect(await refusal("UPDATE access_lock SET amount = 1")).toBe(DENIED);
    expect(await refusal("UPDATE access_lock SET locked_until = locked_until - $1", DAY)).toBe(DENIED);
    expect(await refusal("UPDATE access_stake SET expires_at = expires_at + 1 WHERE id = $1", stakeId)).toBe(
      "access_stake_transition",
    );
    expect(await refusal("UPDATE access_stake SET tier = 1 WHERE id = $1", stakeId)).toBe(
      "access_stake_transition",
    );
    expect(await refusal("UPDATE access_consumed_unit SET user_id = 'x'")).toBe(DENIED);
  });

  it("lose no row, not even to their owner, and no rule is changed by the application", async () => {
    for (const table of ["access_lock", "access_stake", "access_reservation", "access_consumed_unit"])
      expect(await refusal(`DELETE FROM ${table}`)).toBe(DENIED);
    for (const table of ["access_tier", "access_level", "access_entity", "access_requirement"])
      expect(await refusal(`DELETE FROM ${table}`)).toBe(DENIED);
    expect(await refusal("UPDATE access_tier SET required_tst = 1 WHERE tier = 1")).toBe(DENIED);
  });

  it("refuse totals below zero and totals without what they count", async () => {
    expect(await refusal("UPDATE access_user SET active_locks = -1")).toBe("access_user_active_locks_check");
    expect(await refusal("UPDATE access_user SET locked = 0")).toBe("access_user_totals");
  });
});

describe("TST", () => {
  it("has routes from the treasury, within a user's own accounts, out and in on-chain, and no other", async () => {
    const routes = await world.rows<{ route: string; same_owner: boolean }>(
      "SELECT from_role || '>' || to_role AS route, same_owner FROM asset_route WHERE asset = 'TST' ORDER BY 1",
    );
    expect(routes).toEqual([
      { route: "available>locked", same_owner: true },
      { route: "available>payouts", same_owner: true },
      { route: "available>reserved", same_owner: true },
      { route: "available>staked", same_owner: true },
      { route: "custody>available", same_owner: false },
      { route: "custody>deposited", same_owner: false },
      { route: "custody>treasury", same_owner: false },
      { route: "deposited>available", same_owner: false },
      { route: "deposited>payouts", same_owner: true },
      { route: "deposited>treasury", same_owner: false },
      { route: "locked>available", same_owner: true },
      { route: "locked>payouts", same_owner: true },
      { route: "payouts>custody", same_owner: false },
      { route: "reserved>available", same_owner: true },
      { route: "reserved>payouts", same_owner: true },
      { route: "staked>available", same_owner: true },
      { route: "staked>payouts", same_owner: true },
      { route: "treasury>available", same_owner: false },
      { route: "treasury>payouts", same_owner: false },
    ]);
    const [asset] = await world.rows(
      "SELECT scale, transferable, mintable, supply_cap FROM asset WHERE code = 'TST'",
    );
    expect(asset).toEqual({
      scale: 18,
      transferable: false,
      mintable: false,
      supply_cap: 1_000_000n * 10n ** 18n,
    });
  });
});
