import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Book, createPool, silentLog } from "#infra";
import type { FaultPoint } from "#settlement";
import type { ChildSettings } from "./settle-child.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld();
  contracts = new Book(world.chain, world.record);
});
afterAll(() => world?.close());

/** Runs a settlement in a process of its own; answers the signal it died of. */
async function settleInChild(dieAt: FaultPoint | null): Promise<string | null> {
  const settings: ChildSettings = {
    ...{ databaseUrl: world.database.appUrl, schema: world.database.schema },
    ...{ rpcUrl: world.anvil.rpcUrl, privateKey: world.anvil.privateKeys[0] ?? "" },
    ...{ record: world.record, folder: world.folder, dieAt },
  };
  const script = fileURLToPath(new URL("settle-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], { stdio: "inherit" });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (code !== null && code !== 0) throw new Error(`the child ended with ${code}`);
  return signal;
}

async function expectOneCommitAnEpoch(): Promise<void> {
  const committed = await contracts.committedEpochs();
  expect(committed.map(({ epoch }) => epoch)).toEqual(committed.map((_, place) => BigInt(place + 1)));
  const finalized = await contracts.finalizedEpochs();
  expect(finalized.map(({ epoch }) => epoch)).toEqual(committed.map(({ epoch }) => epoch));
  const { rows } = await world.pool.query("SELECT journal_size AS size FROM epoch ORDER BY number DESC");
  expect(committed.length).toBe(rows.length);
  // And one checkpoint, over tiles that hold all of its lines.
  const checkpoints = await world.settlement.log.checkpoints(null, rows.length + 1);
  expect(checkpoints.map(({ size }) => size)).toEqual(rows.map(({ size }) => size));
  await world.settlement.log.inclusion((checkpoints[0]?.size ?? 0) - 1, null);
}

const POINTS: readonly FaultPoint[] = [
  "before-closing",
  "before-commit-of-transaction",
  "closed",
  "published",
  "signed",
  "broadcast",
  "mined",
  "recorded",
];

describe("a settlement killed with -9", () => {
  it.each(POINTS)("at %s is completed by the next run, without a second commit", async (point) => {
    await world.grant("user_a", 3n * TST);
    const before = await contracts.lastCommitted();
    expect(await settleInChild(point)).toBe("SIGKILL");
    const { epoch } = await world.settlement.run();
    expect(epoch).toMatchObject({ epoch: Number(before) + 1, status: "final" });
    await expectOneCommitAnEpoch();
  });

  it("leaves no transaction unrecorded: every signed hash is kept, and each nonce acted once", async () => {
    const { rows } = await world.pool.query(
      "SELECT o.epoch, o.kind, count(s.hash) AS signed FROM outbox o LEFT JOIN settlement_tx s USING (book, epoch, kind) GROUP BY 1, 2",
    );
    for (const row of rows) expect(row).toMatchObject({ signed: 1 });
  });
});

describe("two instances at once", () => {
  it("settle every epoch once, and answer alike", async () => {
    const log = silentLog();
    const { appUrl: url, schema } = world.database;
    const pool = createPool({ url, schema, applicationName: "settlement-test-2", max: 4, log });
    const other = await world.open({ pool });
    for (let round = 0; round < 5; round++) {
      await world.grant("user_b", TST);
      const [mine, theirs] = await Promise.all([world.settlement.run(), other.run()]);
      expect(mine.epoch?.headerHash).toBe(theirs.epoch?.headerHash);
      expect([mine.outcome, theirs.outcome]).toEqual(["settled", "settled"]);
    }
    await world.grant("user_b", TST);
    await Promise.all([world.settlement.settle(), other.settle(), world.settlement.advance(), other.run()]);
    await pool.end();
    await expectOneCommitAnEpoch();
    expect((await world.settlement.latestEpoch())?.status).toBe("final");
  });
});
