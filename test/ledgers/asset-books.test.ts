/** A server with books on two chains: configuration, routes, probes, figures; one of the chains goes away and comes back. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#cli";
import { connectChain, deployContracts } from "#infra";
import { type RpcRelay, startRpcRelay } from "../settlement/rpc-relay.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { type ComposedServer, caller, type ServerWorld, serverWorld } from "../support/composed-server.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";

let world: ServerWorld;
let second: Anvil;
let relay: RpcRelay;
let server: ComposedServer;
let settings: Record<string, string>;

beforeAll(async () => {
  world = await serverWorld();
  second = await startAnvil(["--chain-id", "4242"]);
  relay = await startRpcRelay(second.rpcUrl, async () => {});
  const file = join(world.folder, "books.json");
  const book = {
    asset: "GIGS",
    rpc_url_env: "GIGS_RPC",
    private_key_env: "GIGS_KEY",
    contracts: "gigs.json",
  };
  writeFileSync(file, JSON.stringify([{ ...book, public_rpc_url: "https://gigs.example.com/rpc" }]));
  settings = { BOOKS_FILE: file, GIGS_RPC: relay.url, GIGS_KEY: second.privateKeys[1] };
});
afterAll(async () => {
  await server?.stop();
  await relay?.close();
  await second?.stop();
  await world?.close();
});

const call = (method: "GET" | "POST", path: string, body?: unknown) =>
  caller(server.url)(method, path, null, body);

async function deploy(): Promise<{ code: number; err: string }> {
  const err: string[] = [];
  const io = {
    ...{ stdout: { write: () => true }, stderr: { write: (text: string) => err.push(text) } },
    env: { ...settings, JWT_SECRET: TEST_JWT_SECRET, DATA_DIR: world.folder },
  } as unknown as Parameters<typeof runCli>[1];
  return { code: await runCli(["deploy", "--asset", "GIGS"], io), err: err.join("") };
}

test("a book that cannot be opened keeps nothing else from starting, and says why", async () => {
  server = await world.start({ settings });
  const { checks } = (await call("GET", "/readyz")).body;
  expect(checks["settlement GIGS"]).toMatchObject({
    status: "failed",
    detail: expect.stringContaining("anchorbook deploy --asset GIGS"),
  });
  expect((await call("GET", "/api/v1/settlement/contracts?asset=GIGS")).status).toBe(404);
  const asset = { code: "GIGS", scale: 6, transferable: true, mintable: true };
  expect((await call("POST", "/api/v1/ledger/assets", asset)).status).toBe(200);
  await server.stop();
  expect((await deploy()).code).toBe(0);
  expect(await deploy()).toMatchObject({ code: 1, err: expect.stringContaining("--force") });
});

test("each asset settles on its home chain, and is asked for by its code", async () => {
  server = await world.start({ settings });
  const tst = (await call("GET", "/api/v1/settlement/contracts")).body;
  const gigs = (await call("GET", "/api/v1/settlement/contracts?asset=GIGS")).body;
  expect([tst.chain_id, gigs.chain_id]).toEqual([31_337, 4242]);
  expect(gigs).toMatchObject({ token: `0x${"0".repeat(40)}`, rpc_url: "https://gigs.example.com/rpc" });
  expect((await call("GET", "/api/v1/settlement/contracts?asset=TST")).body).toEqual(tst);
  const run = (await call("POST", "/api/v1/admin/settlement/run?asset=GIGS")).body;
  expect(run).toMatchObject({ epoch: 1, status: expect.stringMatching(/committed|final/) });
  const epoch = (await call("GET", "/api/v1/settlement/epochs/latest?asset=GIGS")).body;
  expect(epoch.header).toMatchObject({ chain_id: "4242", registry: gigs.registry });
  expect((await call("GET", "/api/v1/settlement/epochs/1?asset=GIGS")).body).toEqual(epoch);
  expect((await call("GET", "/api/v1/settlement/epochs?asset=GIGS")).body.data).toEqual([epoch]);
  expect((await call("GET", "/api/v1/settlement/epochs/1/attestations?asset=GIGS")).body.data).toEqual([]);
  const leaves = await fetch(`${server.url}/api/v1/audit/epochs/1/leaves?section=balances&asset=GIGS`);
  expect([leaves.status, await leaves.text()]).toEqual([200, ""]);
  expect((await call("GET", "/api/v1/settlement/epochs/1")).status).toBe(404);
  expect((await call("GET", "/api/v1/settlement/epochs?asset=GOLD")).status).toBe(404);
  expect((await call("GET", "/api/v1/settlement/epochs?asset=gold")).status).toBe(400);
});

test("a chain that is down delays its own book alone", async () => {
  relay.cut(true);
  const grant = { user_id: "user_a", asset: "TST", amount: "5", reason: "test" };
  expect((await call("POST", "/api/v1/admin/grants", grant)).status).toBe(200);
  const [tst, gigs] = await Promise.all([
    call("POST", "/api/v1/admin/settlement/run"),
    call("POST", "/api/v1/admin/settlement/run?asset=GIGS"),
  ]);
  expect(tst).toMatchObject({ status: 200, body: { status: expect.stringMatching(/committed|final/) } });
  expect(gigs.status).toBe(503);
  const ready = await call("GET", "/readyz");
  expect(ready.status).toBe(200);
  expect(ready.body.checks.chain.status).toBe("ok");
  expect(ready.body.checks["chain GIGS"].status).toBe("failed");
  const figures = (await call("GET", "/metrics")).text;
  expect(figures).toMatch(/^anchorbook_dependency_up\{dependency="chain",asset="GIGS"\} 0$/m);
  expect(figures).toMatch(/^anchorbook_dependency_up\{dependency="chain"\} 1$/m);
  expect(figures).toMatch(/^anchorbook_outbox_epochs\{status="built",asset="GIGS"\} 1$/m);
  expect(figures).not.toMatch(/^anchorbook_writer_[a-z_]+\{[^}]*asset="GIGS"/m);
  relay.cut(false);
  expect((await call("POST", "/api/v1/admin/settlement/run?asset=GIGS")).body).toMatchObject({ epoch: 2 });
  expect((await call("GET", "/readyz")).body.checks["chain GIGS"].status).toBe("ok");
});

test("each book is audited for itself", async () => {
  const audit = async (...args: string[]) => {
    const out: string[] = [];
    const io = {
      ...{ stdout: { write: (text: string) => out.push(text) }, stderr: { write: () => true } },
      env: {},
    } as unknown as Parameters<typeof runCli>[1];
    await runCli(["audit", "--api", server.url, "--json", ...args], io);
    return JSON.parse(out.join(""));
  };
  const gigs = await audit("--asset", "GIGS", "--rpc", second.rpcUrl);
  expect(gigs.checks.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
  expect(gigs).toMatchObject({ valid: true, epochs: 2 });
  expect(await audit("--rpc", world.anvil.rpcUrl)).toMatchObject({ valid: true });
  expect((await audit("--asset", "GIGS", "--rpc", world.anvil.rpcUrl)).valid).toBe(false);
});

test("a book with a token is watched by the schedule, and its wallets are asked for by its code", async () => {
  const asset = { code: "SILV", scale: 18, transferable: true, mintable: false, supply_cap: "1000000" };
  expect((await call("POST", "/api/v1/ledger/assets", asset)).status).toBe(200);
  await server.stop();
  const privateKey = second.privateKeys[0];
  const chain = await connectChain({ rpcUrl: second.rpcUrl, privateKey, chainId: 4242n });
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  const symbol = `0x${Buffer.from("SILV").toString("hex").padEnd(62, "0")}08`;
  await chain.provider.send("anvil_setStorageAt", [record.token, "0x4", symbol]);
  chain.close();
  writeFileSync(join(world.folder, "silv.json"), JSON.stringify(record));
  const file = join(world.folder, "silver-books.json");
  const book = {
    asset: "SILV",
    rpc_url: second.rpcUrl,
    private_key_env: "SILV_KEY",
    contracts: "silv.json",
    finality: 0,
  };
  writeFileSync(file, JSON.stringify([book]));
  server = await world.start({ settings: { BOOKS_FILE: file, SILV_KEY: privateKey } });
  server.application.start();
  const seen = async () => (await call("GET", "/api/v1/settlement/chain?asset=SILV")).body.chain;
  await expect.poll(async () => (await seen())?.complete_until, { timeout: 20_000 }).toMatch(/^20/);
  expect(await seen()).toMatchObject({ events_waiting: 0, frozen: false });
  expect((await call("GET", "/readyz")).body.checks["watcher SILV"]).toMatchObject({ status: "ok" });
  const wallet = "/api/v1/admin/treasury/wallet?asset=";
  expect((await call("GET", `${wallet}SILV`)).body).toMatchObject({ wallet: null });
  expect((await call("GET", `${wallet}GIGS`)).status).toBe(404);
});
