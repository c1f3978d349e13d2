/** Many positions get their wallet in bounded steps, each once, whatever dies in between and whoever else is at it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "#infra";
import { systemIds } from "#kernel";
import { balanceAccount } from "#programs/access";
import { Wallets } from "#wallets";
import { auditOwners } from "./audit.ts";
import { createWalletWorld, newWallet, type WalletWorld } from "./world.ts";

const LOCKS = 1_300;
const TST = 10n ** 18n;

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world.close());

/** A server that is killed after so many units. */
function dyingAfter(units: number): Wallets {
  const { ledger, dataSource, settlement, chain } = world;
  let left = units;
  return new Wallets({
    ...{ dataSource, asset: "TST", settlement, chain, ids: systemIds, log: silentLog() },
    ledger: {
      accountId: (spec) => ledger.accountId(spec),
      submit: (unit) => {
        if (left-- <= 0) throw new Error("killed");
        return ledger.submit(unit);
      },
    },
    balanceAccountOf: balanceAccount,
    chainSeenUntil: async () => null,
    finalBlock: async () => null,
    isFrozen: async () => false,
  });
}

const count = async (user: string) => {
  const [row] = await world.rows<{ positions: number; owned: number; lines: number; units: number }>(
    `SELECT count(DISTINCT p.account)::int AS positions, count(*)::int AS lines,
       count(DISTINCT p.account) FILTER (WHERE p.owner <> decode(repeat('00', 20), 'hex'))::int AS owned
     FROM position p JOIN account a ON a.id = p.account JOIN position_change c ON c.account = p.account
     WHERE a.owner = $1`,
    [user],
  );
  return row;
};

test("a user with many positions", { timeout: 120_000 }, async () => {
  const user = await world.user(BigInt(LOCKS + 2));
  await Promise.all(Array.from({ length: LOCKS }, (_, place) => world.lock(user, `many-${place}`, TST)));
  const wallet = newWallet();
  expect((await world.link(user, wallet)).body.status).toBe("linked");
  // The request does the first step, and tells that there is more.
  expect((await world.get("/api/v1/wallets", { as: user })).body.carried).toBe(false);
  expect(await count(user)).toMatchObject({ positions: LOCKS + 1, owned: 501, lines: LOCKS + 1 + 501 });
  await world.lock(user, "meanwhile", TST);
  expect((await dyingAfter(1).follow()).failed).toBe(1);
  expect(await count(user)).toMatchObject({ owned: 1_002 });
  await Promise.all([world.wallets.follow(), world.wallets.follow(), dyingAfter(2).follow()]);
  expect((await world.get("/api/v1/wallets", { as: user })).body.carried).toBe(true);
  // Each that was there has one more line; the one that came meanwhile has one.
  const positions = LOCKS + 2;
  expect(await count(user)).toMatchObject({ positions, owned: positions, lines: 2 * (LOCKS + 1) + 1 });
  await world.settlement.run();
  const { owners, checked } = await auditOwners(world);
  expect(checked).toBe(1);
  expect([...owners.values()].filter((owner) => owner === wallet.address.toLowerCase())).toHaveLength(
    positions,
  );
  expect(await world.wallets.follow()).toEqual({ carried: 0, completed: 0, failed: 0 });
});
