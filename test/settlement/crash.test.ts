import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Wallet } from "ethers";
import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Book, contractArtifact, createPool, silentLog } from "#infra";
import { FAULT_POINTS, type FaultPoint, type Settlement } from "#settlement";
import { attest, createParties, sendAs, signHeader } from "./attesters.ts";
import type { ChildSettings } from "./settle-child.ts";
import { createWatchWorld, type WatchWorld } from "./watch-world.ts";
import { TST } from "./world.ts";

const WINDOW_SECONDS = 60;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 1, threshold: 1 });
const DOCUMENT = new URL("../../docs/settlement-job.md", import.meta.url);

let world: WatchWorld;
/** Places in the section of balances for which an exit was demanded, by the epoch that serves them. */
const demanded = new Map<number, bigint>();
let contracts: Book;

beforeAll(async () => {
  world = await createWatchWorld(undefined, {}, parties.deploy);
  contracts = new Book(world.chain, world.record);
  await settleMore();
});
afterAll(() => world?.close());

async function settleMore(): Promise<number> {
  await world.grant("user_a", 3n * TST);
  return (await world.settlement.run()).epoch?.epoch ?? 0;
}

async function signedAndOver(): Promise<number> {
  const epoch = await settleMore();
  await attest(world, epoch, parties.attesters);
  await world.advance(WINDOW_SECONDS);
  return epoch;
}

/** An epoch that takes a demanded balance down to 0, signed and over: making it final is followed by serving the demand. */
async function emptied(): Promise<number> {
  const person = await world.person(`leaver_${demanded.size}`);
  await world.grant(person.user, 5n * TST);
  await goOn(await settleMore());
  const position = world.position("balances", person.user);
  const { leaf } = await world.proof("balances", position);
  await world.demandExit(person, "balances", position);
  await world.advance(5);
  await world.watcher.look();
  const epoch = await signedAndOver();
  demanded.set(epoch, leaf.index);
  return epoch;
}

async function vetoed(): Promise<number> {
  const epoch = await settleMore();
  const { headerHash } = (await world.settlement.epoch(epoch)) ?? {};
  const { abi } = contractArtifact("SettlementRegistry");
  await sendAs(
    world,
    parties.guardian,
    world.record.registry,
    abi.encodeFunctionData("veto", [epoch, headerHash]),
  );
  return epoch;
}

/** What the connections of a second instance are called. */
const BESIDE = "settlement-beside";

/** What brings a settlement to a point: what is done before, and what the process that dies there does. */
interface Scenario {
  /** Answers the epoch that it is about. */
  prepare(): Promise<number>;
  readonly task: ChildSettings["task"] | "attest";
  /** The chain mines nothing until the process is there. */
  readonly unmined?: true;
}

const nextEpoch = async () => {
  await world.grant("user_a", 3n * TST);
  return ((await world.settlement.latestEpoch())?.epoch ?? 0) + 1;
};
const closing: Scenario = { prepare: nextEpoch, task: "run" };
const finalizing: Scenario = { prepare: signedAndOver, task: "advance" };
const serving: Scenario = { prepare: emptied, task: "advance" };
const vetoing: Scenario = { prepare: vetoed, task: "advance" };
const releasing: Scenario = {
  async prepare() {
    const epoch = await vetoed();
    await world.settlement.advance();
    return epoch;
  },
  task: "release",
};

/** One for each point: a point without one does not compile, and one that is not reached fails. */
const SCENARIOS: Readonly<Record<FaultPoint, Scenario>> = {
  "before-closing": closing,
  "before-commit-of-transaction": closing,
  closed: closing,
  "taken-back": {
    async prepare() {
      const epoch = await settleMore();
      await world.chain.provider.send("anvil_reorg", [1, []]);
      return epoch;
    },
    task: "advance",
  },
  publishing: closing,
  published: closing,
  "commit-signed": closing,
  "commit-broadcast": closing,
  "replacement-signed": { ...closing, unmined: true },
  "commit-mined": closing,
  "commit-recorded": closing,
  attested: { prepare: settleMore, task: "attest" },
  "finalize-signed": finalizing,
  "finalize-broadcast": finalizing,
  "finalize-mined": finalizing,
  "finalize-recorded": finalizing,
  "serve-signed": serving,
  "serve-broadcast": serving,
  "serve-mined": serving,
  "serve-recorded": serving,
  vetoed: vetoing,
  releasing,
  released: releasing,
};

function childWith(dieAt: FaultPoint | null, task: ChildSettings["task"], waits = false): string[] {
  const settings: ChildSettings = {
    ...{ databaseUrl: world.database.appUrl, schema: world.database.schema },
    ...{ rpcUrl: world.anvil.rpcUrl, privateKey: world.anvil.privateKeys[0] ?? "" },
    ...{ record: world.record, folder: world.folder, dieAt, waits, task },
    replaceAfterMs: dieAt === "replacement-signed" ? 100 : 60_000,
  };
  return [fileURLToPath(new URL("settle-child.ts", import.meta.url)), JSON.stringify(settings)];
}

/** Runs a task in a process of its own; answers the signal it died of. */
async function inChild(dieAt: FaultPoint | null, task: ChildSettings["task"]): Promise<string | null> {
  const child = spawn(process.execPath, childWith(dieAt, task), { stdio: "inherit" });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (code !== null && code !== 0) throw new Error(`the child ended with ${code}`);
  return signal;
}

async function taskOf(point: FaultPoint, epoch: number): Promise<ChildSettings["task"]> {
  const { task } = SCENARIOS[point];
  if (task !== "attest") return task;
  const { headerHash = "" } = (await world.settlement.epoch(epoch)) ?? {};
  return {
    attest: epoch,
    signature: await signHeader(parties.attesters[0] as Wallet, world.record, headerHash),
  };
}

/** Where the scenario says so, the chain mines nothing during the task. */
async function unminedDuring(point: FaultPoint, task: () => Promise<void>): Promise<void> {
  const { provider } = world.chain;
  if (!SCENARIOS[point].unmined) return task();
  await provider.send("evm_setAutomine", [false]);
  await task();
  await provider.send("evm_setAutomine", [true]);
  await provider.send("evm_mine", []);
}

async function diesAt(point: FaultPoint, epoch: number): Promise<void> {
  const task = await taskOf(point, epoch);
  await unminedDuring(point, async () => expect(await inChild(point, task)).toBe("SIGKILL"));
}

/** Dies there while another instance runs, which has to wait for what the dying one holds. */
async function diesBeside(other: Settlement, point: FaultPoint, epoch: number): Promise<void> {
  const child = spawn(process.execPath, childWith(point, await taskOf(point, epoch), true), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    await unminedDuring(point, async () => {
      const [said] = await Promise.race([once(child.stdout, "data"), ended]);
      expect(`${said}`).toBe("there\n");
    });
    let isOver = false;
    // What is vetoed is for a person: such a run may refuse.
    const running = other
      .run()
      .catch(() => undefined)
      .finally(() => {
        isOver = true;
      });
    const asksForTheLock = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND query LIKE $2";
    const values = [BESIDE, "SELECT pg_try_advisory_lock%"];
    // A signature of an attester is taken without the lock, which the other one then gets at once.
    if (SCENARIOS[point].task === "attest") await running;
    else
      await vi.waitUntil(async () => isOver || (await world.pool.query(asksForTheLock, values)).rowCount, {
        timeout: 20_000,
      });
    expect(isOver).toBe(SCENARIOS[point].task === "attest");
    child.kill("SIGKILL");
    await running;
  } finally {
    child.kill("SIGKILL");
  }
  expect(await ended).toEqual([null, "SIGKILL"]);
}

/** In words that stand in the document. */
async function left(epoch: number): Promise<string> {
  const { rows } = await world.pool.query(
    `SELECT (SELECT status FROM epoch WHERE number = $1) AS status,
       (SELECT count(*) FROM attestation a JOIN epoch e USING (header_hash) WHERE e.number = $1) AS attestations,
       (SELECT count(*) FROM settlement_tx t JOIN epoch e ON e.header_hash = t.subject WHERE e.number = $1) AS signed`,
    [epoch],
  );
  const { status, attestations, signed } = rows[0];
  const [committed, final] = [await contracts.lastCommitted(), await contracts.lastFinal()];
  const onChain = final >= BigInt(epoch) ? "final" : committed >= BigInt(epoch) ? "committed" : "not there";
  const here = status ? `${status}, ${signed} signed, ${attestations} attested` : "no epoch";
  return `${here}; on the chain ${onChain}${await demandOf(epoch)}`;
}

async function demandOf(epoch: number): Promise<string> {
  const index = demanded.get(epoch);
  if (index === undefined) return "";
  const { demandedAt } = await contracts.demandOf("balances", index);
  const { rows } = await world.pool.query("SELECT hash FROM settlement_tx WHERE subject LIKE $1", [
    `0/${index}/%`,
  ]);
  return `; demand ${demandedAt === 0n ? "served" : "open"}, ${rows.length} signed`;
}

async function goOn(epoch: number): Promise<void> {
  await world.settlement.release();
  await world.settlement.run();
  for (const waiting of (await world.settlement.epochs(null, 3)).filter(({ status }) => status !== "final"))
    await attest(world, waiting.epoch, parties.attesters);
  expect((await world.settlement.attestations(epoch)).attestations.length).toBe(1);
  await world.advance(WINDOW_SECONDS);
  await world.settlement.advance();
}

/** One commit and one finalize an epoch stand, beside those that were vetoed; and one checkpoint, over tiles that hold its lines. */
async function expectAllOnce(): Promise<void> {
  const epochs = (await world.settlement.epochs(null, 1_000)).toReversed();
  expect(epochs.map(({ epoch, status }) => [epoch, status])).toEqual(
    epochs.map((_, place) => [place + 1, "final"]),
  );
  const standing = async (events: { headerHash: string }[]) => {
    const hashes = epochs.map(({ headerHash }) => headerHash as string);
    return events.map(({ headerHash }) => headerHash).filter((hash) => hashes.includes(hash));
  };
  const hashes = epochs.map(({ headerHash }) => headerHash);
  expect(await standing(await contracts.committedEpochs())).toEqual(hashes);
  expect(await standing(await contracts.finalizedEpochs())).toEqual(hashes);
  const sizes = new Set((await world.settlement.log.checkpoints(null, 1_000)).map(({ size }) => size));
  for (const { journalSize } of epochs) expect(sizes).toContain(journalSize);
  await world.settlement.log.inclusion((epochs.at(-1)?.journalSize ?? 0) - 1, null);
}

describe("a settlement killed with -9", () => {
  const table: string[] = [];

  it("begins with an epoch that is final", async () => {
    await goOn(1);
    await expectAllOnce();
  });

  it.each(FAULT_POINTS)("at %s is completed by the next run, exactly once", async (point) => {
    const epoch = await SCENARIOS[point].prepare();
    await diesAt(point, epoch);
    const before = await left(epoch);
    await goOn(epoch);
    await expectAllOnce();
    table.push(`| \`${point}\` | ${before} | ${await left(epoch)} |`);
  });

  it("is told of in the document, point by point, as it was found here", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    const rows = text
      .split("\n")
      .filter((line) => FAULT_POINTS.some((point) => line.startsWith(`| \`${point}\` |`)));
    expect(rows).toEqual(table);
  });

  describe("beside another instance, which waits for its turn", () => {
    let pool: Pool;
    let other: Settlement;
    beforeAll(async () => {
      const { appUrl: url, schema } = world.database;
      pool = createPool({ url, schema, applicationName: BESIDE, max: 4, log: silentLog() });
      other = await world.open({ pool });
    });
    afterAll(async () => {
      await other?.stop();
      await pool?.end();
    });

    it.each(FAULT_POINTS)("at %s is completed by that one, exactly once", async (point) => {
      const scenario = SCENARIOS[point];
      const epoch = await scenario.prepare();
      await diesBeside(other, point, epoch);
      // It needed nobody else, but where a person or an attester has a say.
      const isDone = scenario === closing ? contracts.lastCommitted() : contracts.lastFinal();
      if ([closing, finalizing, serving].includes(scenario)) expect(await isDone).toBe(BigInt(epoch));
      await goOn(epoch);
      await expectAllOnce();
    });
  });

  it("burns no nonce: every transaction that was mined did what it should", async () => {
    const { rows } = await world.pool.query("SELECT hash FROM settlement_tx");
    const receipts = await Promise.all(
      rows.map(({ hash }) => world.chain.provider.getTransactionReceipt(hash)),
    );
    expect(receipts.filter((receipt) => receipt?.status === 0)).toEqual([]);
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
      await attest(world, mine.epoch?.epoch ?? 0, parties.attesters);
    }
    await world.grant("user_b", TST);
    await Promise.all([world.settlement.settle(), other.settle(), world.settlement.advance(), other.run()]);
    const last = (await world.settlement.latestEpoch())?.epoch ?? 0;
    await attest(world, last, parties.attesters);
    await world.advance(WINDOW_SECONDS);
    await Promise.all([world.settlement.advance(), other.advance()]);
    await other.advance();
    await pool.end();
    await expectAllOnce();
  });

  it("settle every epoch once as two processes, also where one of them is killed in the middle", async () => {
    const child = spawn(process.execPath, childWith(null, "keep-running"), {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    const newest = async () => (await world.settlement.latestEpoch())?.epoch ?? 0;
    try {
      await Promise.race([once(child.stdout, "data"), ended]);
      for (let round = 0; round < 5; round++) {
        await world.grant("user_c", TST);
        const { outcome, epoch } = await world.settlement.run();
        expect(["settled", "unchanged"]).toContain(outcome);
        await attest(world, epoch?.epoch ?? (await newest()), parties.attesters);
      }
      const before = await newest();
      await world.grant("user_c", TST);
      // The other process closes it, and has still to publish and to commit it.
      await vi.waitUntil(async () => (await newest()) > before, { timeout: 20_000, interval: 1 });
      expect(child.exitCode).toBeNull();
      child.kill("SIGKILL");
      await world.settlement.run();
    } finally {
      child.kill("SIGKILL");
    }
    expect(await ended).toEqual([null, "SIGKILL"]);
    await goOn(await newest());
    await expectAllOnce();
  });
});
