/** Requests that are decided in one batch see each other and are written by one statement a table. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCoherent } from "./coherence.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

const TEN = 10n * 10n ** 18n;

/** Submitted in one turn of the event loop, so that one batch takes them all. */
function lock(userId: string, agreementId: string) {
  const request = { userId, agreementId, amount: TEN, durationDays: 1 };
  return world.access.lock({ ...request, counterpartyId: undefined, walletAddress: undefined }, undefined);
}
const arbitrate = (agreementId: string) =>
  world.access.terminate({ agreementId, caller: "judge", isArbiter: true }, undefined);
const upgrade = (userId: string, tier: number) =>
  world.access.upgradeTier({ userId, strategyId: "s", tier, walletAddress: undefined }, undefined);
const unstake = (userId: string) =>
  world.access.emergencyUnstake({ userId, strategyId: "s", operator: "op", reason: "test" }, undefined);

describe("one batch", () => {
  it("locks, ends and locks the same agreement again, by another user too", async () => {
    const [a, b] = [await world.fundedUser(10), await world.fundedUser(10)];
    const answers = await Promise.all([
      lock(a, "busy"),
      arbitrate("busy"),
      lock(a, "busy"),
      arbitrate("busy"),
      lock(b, "busy"),
    ]);
    expect(answers.map(({ value }) => value.status)).toEqual([
      "locked",
      "terminated",
      "locked",
      "terminated",
      "locked",
    ]);
    const active = await world.rows(
      "SELECT user_id FROM access_lock WHERE agreement_id = 'busy' AND status = 'locked'",
    );
    expect(active).toEqual([{ user_id: b }]);
    expect(await world.rows("SELECT 1 FROM access_lock WHERE agreement_id = 'busy'")).toHaveLength(3);
    const [third, again] = await Promise.all([arbitrate("busy"), lock(a, "busy")]);
    expect([third.value.user_id, again.value.user_id]).toEqual([b, a]);
  });

  it("means the newest, of locks and stakes that all began in one second", async () => {
    const user = await world.fundedUser(100);
    for (let round = 0; round < 12; round++) {
      const agreementId = `one-second-${round}`;
      const began = await Promise.all([
        lock(user, agreementId),
        arbitrate(agreementId),
        lock(user, agreementId),
        arbitrate(agreementId),
        lock(user, agreementId),
        arbitrate(agreementId),
        upgrade(user, 1),
        unstake(user),
        upgrade(user, 2),
        unstake(user),
      ]);
      const [newestLock, newestStake] = [began[4].value, began[8].value];
      const path = `/api/v1/p2p/${agreementId}`;
      expect((await world.get(path, { as: user })).body.lock_id).toBe(newestLock.lock_id);
      expect((await arbitrate(agreementId)).value.lock_id).toBe(newestLock.lock_id);
      expect((await world.get("/api/v1/strategies/s/tier", { as: user })).body.stake_id).toBe(
        newestStake.stake_id,
      );
    }
  });

  it("raises, ends and begins a stake again, and every allowance follows", async () => {
    const user = await world.fundedUser(100);
    const answers = await Promise.all([
      upgrade(user, 1),
      upgrade(user, 2),
      upgrade(user, 3),
      unstake(user),
      upgrade(user, 1),
    ]);
    expect(answers.map(({ value }) => [value.tier, value.status])).toEqual([
      [1, "staked"],
      [2, "staked"],
      [3, "staked"],
      [3, "expired"],
      [1, "staked"],
    ]);
    const access = await world.access.accessOf(user);
    expect(access).toMatchObject({ current_tier: 1, staked_tst: "5", available_tst: "95" });
    expect(access.entity_quotas.map(({ quota_today }) => quota_today)).toEqual([5, 5, 5]);
  });

  it("lets a failed unit leave no trace in the ones beside it", async () => {
    const user = await world.fundedUser(10);
    const outcomes = await Promise.allSettled([
      lock(user, "fits"),
      lock(user, "too-much"),
      lock(user, "fits"),
      upgrade(user, 1),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
    const codes = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : "ok"));
    expect(codes).toEqual(["ok", "insufficient_balance", "already_locked", "insufficient_balance"]);
    expect(await world.rows("SELECT 1 FROM account WHERE reference = 'too-much'")).toEqual([]);
  });
});
