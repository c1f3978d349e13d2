/**
 * What a user did long ago costs nothing today: a lock and a stake, what is read
 * of them, and their ends look at as many rows after hundreds of ended ones of
 * the same user as after a few. Rows are counted by Postgres, not timed.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { rowsReadBy } from "../../support/rows-read.ts";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, type World } from "./world.ts";

const FEW = 10;
const MANY = 300;
const MEASURED = 10;
const USER = "old-hand";
const AGREEMENT = "often";
const STRATEGY = "again";
/** Of all tables together, for each of the measured rounds. */
const SLACK_ROWS_A_ROUND = 40;

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.grant(USER, 1_000);
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

async function round(): Promise<void> {
  const caller = { as: USER };
  const answers = [
    await world.post(`/api/v1/p2p/${AGREEMENT}/lock-tst`, { amount: 10 }, caller),
    await world.get(`/api/v1/tst/access/${USER}`, caller),
    await world.get(`/api/v1/p2p/${AGREEMENT}`, caller),
    await world.post(`/api/v1/strategies/${STRATEGY}/upgrade-tier`, { tier: 1 }, caller),
    await world.get(`/api/v1/strategies/${STRATEGY}/tier`, caller),
  ];
  await world.advance(7 * DAY);
  answers.push(await world.post(`/api/v1/p2p/${AGREEMENT}/release`, {}, caller));
  const end = { user_id: USER, reason: "round" };
  const operator = { as: "op", roles: ["operator"] };
  answers.push(await world.post(`/api/v1/strategies/${STRATEGY}/emergency-unstake`, end, operator));
  expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(200));
}

async function rounds(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await round();
}

it("reads as many rows for a lock and a stake after hundreds of ended ones as after a few", async () => {
  await rounds(FEW);
  const young = await rowsReadBy(world, () => rounds(MEASURED));
  await rounds(MANY);
  const old = await rowsReadBy(world, () => rounds(MEASURED));
  const dearer = [...old].flatMap(([name, n]) => {
    const then = young.get(name) ?? 0;
    return n > 2 * then + SLACK_ROWS_A_ROUND * MEASURED ? [`${name}: ${then} -> ${n}`] : [];
  });
  for (const table of ["access_lock", "access_stake"]) expect(old.get(table)).toBeGreaterThan(MEASURED);
  expect(dearer).toEqual([]);
}, 180_000);
