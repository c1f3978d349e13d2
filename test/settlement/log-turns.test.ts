/** Two books of one ledger, which share its log: the one that comes second waits, however long the first one closes. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createClient, createPool, type DeploymentRecord, deployAnchor, silentLog } from "#infra";
import type { FaultPoint } from "#settlement";
import { createWorld, TST, type World } from "./world.ts";

const WAITING = "log-turns-second";

let world: World;
let record: DeploymentRecord;

beforeAll(async () => {
  world = await createWorld();
  const { ownerUrl: url, schema } = world.database;
  const owner = createClient({ url, schema, applicationName: "log-turns-test" });
  await owner.connect();
  await owner.query("SELECT create_asset('GIGS', 6::smallint, true, true, NULL, 0)");
  await owner.end();
  record = await deployAnchor(world.chain, { windowSeconds: 0, attesters: [] });
});
afterAll(() => world?.close());

/** The book of TST, which stops in the middle of closing, with the log's lock. */
async function closingFirst() {
  const [arrived, passage] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = await world.open({
    faults: async (point: FaultPoint) => {
      if (point !== "before-closing") return;
      arrived.resolve();
      await passage.promise;
    },
  });
  await world.grant("user_a", TST);
  const run = first.run();
  await arrived.promise;
  return { run, goOn: passage.resolve };
}

/** Another book, on connections on which no statement waits for a lock. */
async function openSecond() {
  const { appUrl: url, schema } = world.database;
  const pool = createPool({
    ...{ url, schema, applicationName: WAITING, max: 2, lockTimeoutMs: 1, log: silentLog() },
  });
  return { second: await world.open({ pool, readPool: world.pool, asset: "GIGS", record }), pool };
}

/** When it asked for the log last; null before it did. */
async function askedAt(): Promise<number | null> {
  const { rows } = await world.pool.query<{ query_start: Date }>(
    "SELECT query_start FROM pg_stat_activity WHERE application_name = $1 AND query LIKE '%.journal-log%'",
    [WAITING],
  );
  return rows[0]?.query_start.getTime() ?? null;
}

async function hasAskedAgain(): Promise<void> {
  await expect.poll(askedAt, { timeout: 20_000 }).not.toBeNull();
  const before = await askedAt();
  await expect.poll(askedAt, { timeout: 20_000 }).not.toBe(before);
}

it("closes its epoch once the first one has closed", async () => {
  const { run, goOn } = await closingFirst();
  const { second, pool } = await openSecond();
  const waiting = second.run();
  await Promise.race([hasAskedAgain(), waiting]);
  expect(await second.latestEpoch()).toBeNull();
  goOn();
  expect((await run).epoch).toMatchObject({ status: "final" });
  expect((await waiting).epoch).toMatchObject({ epoch: 1, status: "final" });
  await second.stop();
  await pool.end();
});

it("waits no longer once its server stops", async () => {
  const { run, goOn } = await closingFirst();
  const { second, pool } = await openSecond();
  const waiting = second.run();
  await Promise.race([hasAskedAgain(), waiting]);
  const refused = expect(waiting).rejects.toMatchObject({ code: "unavailable" });
  await second.stop();
  await refused;
  await pool.end();
  goOn();
  await run;
});
