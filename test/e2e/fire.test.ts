/** The whole server while its parts die under load: nothing lost, nothing twice, and it recovers by itself. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Contract, JsonRpcProvider } from "ethers";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { canRun } from "../support/can-run.ts";
import { expectLocksOnce, LockLoad } from "../support/load.ts";
import { TestServer } from "../support/server-client.ts";
import { partOf } from "../support/server-process.ts";

const USERS = ["anna", "ben", "cleo", "dan"];
const FUNDS = 100_000;
const CLIENTS = 16;
const WAIT = { timeout: 60_000, interval: 50 };

const server = new TestServer();
let load: LockLoad;

beforeAll(async () => {
  await server.start();
  for (const user of USERS) expect(await server.grant(user, FUNDS)).toMatchObject({ status: 200 });
  load = new LockLoad(server, USERS);
});

afterAll(() => server.remove());

const moreAnswers = (status: number, count: number) => load.moreAnswers(status, count);
const expectOnceEach = () => expectLocksOnce(server, load, FUNDS);

/** How often each epoch was committed on the chain. */
async function commits(): Promise<number[]> {
  const { body } = await server.get("/api/v1/settlement/contracts", "auditor", "auditor");
  const provider = new JsonRpcProvider(`${body.rpc_url}`, undefined, { cacheTimeout: -1 });
  try {
    const { SettlementRegistry } = JSON.parse(readFileSync("contracts/compiled.json", "utf8"));
    const registry = new Contract(`${body.registry}`, SettlementRegistry.abi, provider);
    const logs = await registry.queryFilter("EpochCommitted", 0);
    return logs.map((log) => Number("args" in log ? log.args[0] : -1));
  } finally {
    provider.destroy();
  }
}

describe("kill -9 of the server", () => {
  test("in requests and settlements: every key one effect, every epoch one commit", async () => {
    for (const answersBeforeKill of [40, 150, 90]) {
      load.start(CLIENTS);
      const settling = server.settle().catch(() => null);
      await moreAnswers(200, answersBeforeKill);
      const second = server.settle().catch(() => null);
      await server.kill();
      await load.stop();
      await Promise.all([settling, second]);
      await server.start();
    }
    await expectOnceEach();
    expect(await server.settle()).toMatchObject({ status: 200 });
    const numbers = await commits();
    expect(numbers).toEqual(numbers.map((_, place) => place + 1));
    const latest = await server.get("/api/v1/settlement/epochs/latest", "auditor", "auditor");
    expect(latest.body).toMatchObject({ epoch: numbers.length, status: "final" });
  });
});

describe("a part that dies", () => {
  test("Postgres: 503 and Retry-After while it is away, then all goes on", async () => {
    const pid = Number(
      readFileSync(join(server.dataDir, "postgres/data/postmaster.pid"), "utf8").split("\n")[0],
    );
    load.start(CLIENTS);
    await moreAnswers(200, 30);
    process.kill(pid, "SIGKILL");
    await moreAnswers(503, 1);
    await moreAnswers(200, 60);
    await load.stop();
    const statuses = new Set(load.attempts.map(({ answer }) => answer?.status ?? "no answer"));
    expect([...statuses].filter((status) => ![200, 503, "no answer"].includes(status))).toEqual([]);
    for (const { answer } of load.answered(503)) expect(answer?.headers.get("retry-after")).toMatch(/^\d+$/);
    await expectOnceEach();
  });

  test("the chain: users notice nothing, settlement says so and catches up", async () => {
    await server.settle();
    process.kill(partOf(server.dataDir, /anvil/), "SIGKILL");
    const lock = await server.post("/api/v1/p2p/while-it-is-away/lock-tst", { amount: 10 }, "anna");
    expect(lock).toMatchObject({ status: 200, body: { settlement: { status: "pending" } } });
    await vi.waitFor(async () => expect((await server.settle()).status).toBe(200), WAIT);
    await vi.waitFor(async () => {
      const { body } = await server.get("/api/v1/p2p/while-it-is-away", "anna", "user");
      expect(body.settlement).toMatchObject({ status: "final" });
    }, WAIT);
    const numbers = await commits();
    expect(numbers).toEqual(numbers.map((_, place) => place + 1));
  });

  test.runIf(canRun(inject("redisUrl") !== null, "redis-server"))(
    "Redis: quotas are counted on, exactly",
    async () => {
      expect(await server.grant("eve", 100)).toMatchObject({ status: 200 });
      expect(await server.post("/api/v1/strategies/s/upgrade-tier", { tier: 3 }, "eve")).toMatchObject({
        status: 200,
      });
      const consume = () => server.post("/api/v1/entities/e/reserve-compute", { entity_type: 2 }, "eve");
      const first = await Promise.all(Array.from({ length: 100 }, consume));
      process.kill(partOf(server.dataDir, /redis-server|valkey-server/), "SIGKILL");
      const second = await Promise.all(Array.from({ length: 400 }, consume));
      const all = [...first, ...second];
      expect(all.filter(({ status }) => status === 200)).toHaveLength(20);
      expect(all.filter(({ status }) => status === 429)).toHaveLength(480);
      const { body } = await server.get("/api/v1/tst/access/eve", "eve", "user");
      expect(body.entity_access).toMatchObject({ strategy: { quota_per_day: 20, used_today: 20 } });
    },
  );
});

describe("at once", () => {
  test("200 locks against a balance for 10: exactly 10", async () => {
    await server.grant("finn", 100);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, number) =>
        server.post(`/api/v1/p2p/at-once-${number}/lock-tst`, { amount: 10 }, "finn"),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ body }) => `${body.error}` === "insufficient_balance")).toHaveLength(190);
  });

  test("one request sent 50 times with one key: one effect, one answer", async () => {
    await server.grant("gina", 1_000);
    const send = () => server.post("/api/v1/p2p/same/lock-tst", { amount: 10 }, "gina", ["user"], "the-same");
    const answers = await Promise.all(Array.from({ length: 50 }, send));
    expect(new Set(answers.map(({ body }) => `${body.lock_id}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get("idempotent-replayed") === "true")).toHaveLength(49);
    const { body } = await server.get("/api/v1/tst/access/gina", "gina", "user");
    expect(body).toMatchObject({ locked_tst: "10", active_locks_total: 1 });
  });
});
