import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemIds } from "#kernel";
import { expireUnit } from "../../../src/programs/access/units/expire.ts";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await expectCoherent(world);
  await world.stop();
});

/** Locks, stakes and reservations of several users, all due after a day or thirty. */
async function populate(users: number, each: number): Promise<string[]> {
  const names = await Promise.all(Array.from({ length: users }, () => world.fundedUser(30 * each)));
  await Promise.all(
    names.flatMap((as) =>
      Array.from({ length: each }, async (_, place) => {
        const lock = { amount: 10, duration_days: 1 };
        await Promise.all([
          world.post(`/api/v1/p2p/${as}-${place}/lock-tst`, lock, { as }),
          world.post(`/api/v1/strategies/s-${place}/upgrade-tier`, { tier: 1 }, { as }),
          world.post(
            `/api/v1/entities/e-${place}/reserve-compute`,
            { entity: "risk", duration_days: 2 },
            { as },
          ),
        ]);
      }),
    ),
  );
  return names;
}

async function transfersBack(): Promise<number> {
  const [row] = await world.rows<{ n: number }>(
    "SELECT count(*) AS n FROM transfer WHERE code IN ('access.release', 'access.unstake', 'access.unreserve')",
  );
  return row?.n ?? -1;
}

describe("expiry", () => {
  it("ends nothing before it is due", async () => {
    await populate(2, 2);
    await world.advance(DAY - 60);
    expect(await world.access.expireDue()).toEqual({ ended: 0, failed: 0 });
  });

  it("ends each holding once where two processes run it at the same time, and again", async () => {
    const users = await populate(3, 30);
    await world.advance(30 * DAY);
    const runs = await Promise.all([1, 2, 3].map(() => world.access.expireDue()));
    expect(runs.reduce((sum, { ended }) => sum + ended, 0)).toBe(3 * 30 * 3);
    expect(runs.map(({ failed }) => failed)).toEqual([0, 0, 0]);
    expect(await world.access.expireDue()).toEqual({ ended: 0, failed: 0 });
    expect(await transfersBack()).toBe(3 * 30 * 3);
    for (const user of users) {
      const { body } = await world.get(`/api/v1/tst/access/${user}`, { as: user });
      expect(body).toMatchObject({ available_tst: "900", total_tst_balance: "900", current_tier: 0 });
    }
  });

  it("works through more than one page, oldest first", async () => {
    const user = await world.fundedUser(10 * 620);
    for (const [days, count] of [
      [1, 20],
      [3, 600],
    ] as const) {
      await Promise.all(
        Array.from({ length: count }, (_, place) =>
          world.access.lock(
            {
              userId: user,
              agreementId: `a-${days}-${place}`,
              amount: 10n * 10n ** 18n,
              durationDays: days,
              counterpartyId: undefined,
              walletAddress: undefined,
            },
            undefined,
          ),
        ),
      );
    }
    await world.advance(3 * DAY);
    expect(await world.access.expireDue()).toEqual({ ended: 620, failed: 0 });
    const [first] = await world.rows<{ seq: number }>(
      `SELECT max(t.seq) FILTER (WHERE l.agreement_id LIKE 'a-1-%') < min(t.seq) FILTER (WHERE l.agreement_id LIKE 'a-3-%')
         AS seq FROM transfer t JOIN access_lock l ON l.id = t.reference WHERE t.code = 'access.release'`,
    );
    expect(first?.seq).toBe(true);
  });

  it("leaves a position's end where it was when the last of its reservations ends first", async () => {
    const as = await world.fundedUser(10);
    for (const duration_days of [1, 30])
      await world.post("/api/v1/entities/e/reserve-compute", { entity: "risk", duration_days }, { as });
    await world.advance(30 * DAY);
    const due = await world.rows<{ id: string; account: string; dueAt: number; entityType: number }>(
      `SELECT id, account, reserved_until AS "dueAt", entity_type AS "entityType" FROM access_reservation
       WHERE user_id = $1 ORDER BY reserved_until`,
      [as],
    );
    const last = due[1];
    if (!last) throw new Error("there are no two reservations");
    const context = { accountId: world.ledger.accountId.bind(world.ledger), ids: systemIds };
    const entity = { entityType: last.entityType, entityId: "e" };
    const ended = await world.ledger.submit(
      expireUnit(context, { ...last, kind: "reservation", userId: as, entity }),
    );
    expect(ended.value).toBe(true);
    const ends = () =>
      world.rows("SELECT valid_until, quantity > 0 AS counts FROM position WHERE account = $1", [
        last.account,
      ]);
    expect(await ends()).toEqual([{ valid_until: last.dueAt, counts: true }]);
    await expectCoherent(world);
    expect(await world.access.expireDue()).toEqual({ ended: 1, failed: 0 });
    const again = { entity: "risk", duration_days: 2 };
    const { body } = await world.post("/api/v1/entities/e/reserve-compute", again, { as });
    const until = Date.parse(body.reserved_until) / 1000;
    expect(await ends()).toEqual([{ valid_until: until, counts: true }]);
  });

  it("meets requests for the same holdings without doubling anything", async () => {
    const users = await populate(2, 10);
    await world.advance(30 * DAY);
    const releases = users.flatMap((as) =>
      Array.from({ length: 10 }, (_, place) => world.post(`/api/v1/p2p/${as}-${place}/release`, {}, { as })),
    );
    const upgrades = users.map((as) =>
      world.post("/api/v1/strategies/s-0/upgrade-tier", { tier: 1 }, { as }),
    );
    const [, ...answers] = await Promise.all([world.access.expireDue(), ...releases, ...upgrades]);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await transfersBack()).toBe(60);
  });
});
