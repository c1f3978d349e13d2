/** The main job against a whole server: act, see the effect at once, settle, prove, audit; then again after a stop. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#cli";
import { TestServer } from "../support/server-client.ts";
import { bearer } from "../support/tokens.ts";

const server = new TestServer({ TEST_CLOCK: "1" });
let rpc: string;
let registry: string;

beforeAll(async () => {
  await server.start();
  await server.grant("user_a", 200);
  const { body } = await server.get("/api/v1/settlement/contracts", "user_a", "user");
  rpc = `${body.rpc_url}`;
  registry = `${body.registry}`;
});

afterAll(() => server.remove());

async function cli(...args: string[]) {
  let out = "";
  let err = "";
  const write = (take: (text: string) => void) => ({
    write(text: string) {
      take(text);
      return true;
    },
  });
  const io = {
    stdout: write((text) => {
      out += text;
    }),
    stderr: write((text) => {
      err += text;
    }),
    env: { ANCHORBOOK_API: server.url, ANCHORBOOK_TOKEN: bearer("auditor", "operator", "auditor").slice(7) },
  };
  const code = await runCli(args, io as Parameters<typeof runCli>[1]);
  return { code, out, err };
}

test("a user's access changes in the answer, and every position verifies once settled", async () => {
  const lock = await server.post(
    "/api/v1/p2p/agreement-1/lock-tst",
    { amount: 50, duration_days: 30 },
    "user_a",
  );
  expect(lock).toMatchObject({
    status: 200,
    body: { status: "locked", amount: "50", level: 2, tx_hash: null },
  });
  const stake = await server.post("/api/v1/strategies/momentum/upgrade-tier", { tier: 2 }, "user_a");
  expect(stake.body).toMatchObject({ tier: 2, new_cooldown: "6 hours", settlement: { status: "pending" } });
  const held = { entity: "risk", duration_days: 30 };
  const reservation = await server.post("/api/v1/entities/risk-model/reserve-compute", held, "user_a");
  expect(reservation.body).toMatchObject({ tst_reserved: "5", quota_per_day: 10, quota_remaining_today: 20 });
  const access = await server.get("/api/v1/tst/access/user_a", "user_a", "user");
  expect(access.body).toMatchObject({
    ...{
      total_tst_balance: "200",
      available_tst: "120",
      locked_tst: "50",
      staked_tst: "25",
      reserved_tst: "5",
    },
    ...{ current_tier: 2, entity_access: { risk: { quota_per_day: 20, used_today: 0 } } },
  });

  expect(await server.settle()).toMatchObject({ status: 200, body: { epoch: 1, status: "final" } });
  expect(await server.settle()).toMatchObject({ body: { epoch: 1, status: "unchanged" } });
  const settled = await server.get("/api/v1/p2p/agreement-1", "user_a", "user");
  expect(settled.body).toMatchObject({ settlement: { status: "final", epoch: 1 } });
  expect(settled.body.tx_hash).toMatch(/^0x[0-9a-f]{64}$/);

  for (const [section, id] of [
    ["locks", lock.body.lock_id],
    ["stakes", stake.body.stake_id],
    ["compute", reservation.body.reservation_id],
    ["balances", "user_a"],
  ]) {
    const answer = await server.get(`/api/v1/proofs/${section}/${id}`, "user_a", "user");
    expect(answer.status, section).toBe(200);
    const file = join(server.dataDir, `${section}.json`);
    writeFileSync(file, JSON.stringify(answer.body));
    expect(await cli("verify", file), section).toMatchObject({ code: 0 });
    const onChain = await cli("verify", file, "--rpc", rpc, "--registry", registry, "--json");
    expect(JSON.parse(onChain.out).checks.filter((check: { ok: boolean }) => !check.ok)).toEqual([]);
    expect(onChain.code).toBe(0);
  }
});

test("the auditor finds the whole history in order", async () => {
  await server.post("/api/v1/entities/risk-model/reserve-compute", { entity_type: 1 }, "user_a");
  await server.post("/api/v1/p2p/agreement-2/lock-tst", { amount: 10 }, "user_a");
  await server.settle();
  const audit = await cli("audit", "--rpc", rpc, "--api", server.url, "--registry", registry, "--json");
  const report = JSON.parse(audit.out);
  expect(report.checks.filter((check: { ok: boolean }) => !check.ok)).toEqual([]);
  expect(report).toMatchObject({ valid: true, epochs: 2 });
  expect(audit.code).toBe(0);
});

test("what ends by time ends by the clock: locks, tiers and reservations return, once", async () => {
  const clock = { advance_seconds: 31 * 86_400 };
  expect(await server.post("/api/v1/dev/clock", clock, "operator", ["operator"])).toMatchObject({
    status: 200,
  });
  const access = await server.get("/api/v1/tst/access/user_a", "user_a", "user");
  expect(access.body).toMatchObject({
    ...{ available_tst: "200", locked_tst: "0", staked_tst: "0", reserved_tst: "0", current_tier: 0 },
    ...{ active_locks: [], active_stakes: [], entity_access: { risk: { quota_per_day: 1, used_today: 0 } } },
  });
  const lock = await server.get("/api/v1/p2p/agreement-1", "user_a", "user");
  expect(lock.body).toMatchObject({ status: "released", settlement: { status: "final" } });
});

test("after a stop all goes on from the same data, the clock's offset included", async () => {
  const before = await server.get("/api/v1/tst/access/user_a", "user_a", "user");
  const epoch = await server.get("/api/v1/settlement/epochs/latest", "user_a", "user");
  expect(await server.stop()).toBe(0);
  await server.start();
  expect((await server.get("/api/v1/tst/access/user_a", "user_a", "user")).body).toEqual(before.body);
  expect((await server.get("/api/v1/settlement/epochs/latest", "user_a", "user")).body).toEqual(epoch.body);
  const lock = await server.post("/api/v1/p2p/agreement-3/lock-tst", { amount: 10 }, "user_a");
  expect(Date.parse(`${lock.body.created_at}`)).toBeGreaterThan(Date.now() + 30 * 86_400_000);
  expect(await server.settle()).toMatchObject({ status: 200, body: { status: "final" } });
  const { body } = await server.get("/api/v1/settlement/contracts", "user_a", "user");
  const audit = await cli("audit", "--rpc", `${body.rpc_url}`, "--api", server.url, "--registry", registry);
  expect(audit).toMatchObject({ code: 0 });
});
