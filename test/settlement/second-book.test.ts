/** The book of an asset beside TST, on a chain of its own and without a token: audited and attested as TST's is. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditRoutes, logRoutes, settlementRoutes } from "#api";
import { type Chain, connectChain, createClient, type DeploymentRecord, deployAnchor } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { ledgerQueries } from "#ledger";
import type { Settlement } from "#settlement";
import { createDataSource } from "../../ormconfig.ts";
import { createProbes } from "../../src/probes.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { createParties } from "./attesters.ts";
import { cli } from "./audit-world.ts";
import { createWorld, TST, type World } from "./world.ts";

const WINDOW_SECONDS = 600;
const { attesters, deploy } = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 1, threshold: 1 });
const folder = mkdtempSync(join(tmpdir(), "anchorbook-second-book-"));

let world: World;
let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let gigs: Settlement;
let api: TestApi;

beforeAll(async () => {
  world = await createWorld();
  const { ownerUrl: url, schema } = world.database;
  const owner = createClient({ url, schema, applicationName: "second-book-test" });
  await owner.connect();
  await owner.query("SELECT create_asset('GIGS', 6::smallint, true, true, NULL, 0)");
  await owner.end();
  anvil = await startAnvil(["--chain-id", "4242"]);
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0], chainId: 4242n });
  record = await deployAnchor(chain, { windowSeconds: WINDOW_SECONDS, attesters: [], ...deploy });
  gigs = await world.open({ asset: "GIGS", chain, record });
  const book = { settlement: gigs, publicRpcUrl: anvil.rpcUrl };
  const books = { settlement: world.settlement, books: new Map([["GIGS", book]]) };
  api = await startApi([
    ...settlementRoutes({
      ...{ ...books, ledger: world.ledger, publicRpcUrl: world.anvil.rpcUrl },
      findPosition: async () => null,
    }),
    ...auditRoutes(books.settlement, books.books),
    ...logRoutes({ log: world.settlement.log, ledger: "default" }),
  ]);
  await grantGigs("user_a", 7_000_000n);
  await world.grant("user_a", 5n * TST);
  await world.settlement.run();
  await gigs.run();
});
afterAll(async () => {
  await api?.close();
  chain?.close();
  await anvil?.stop();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function grantGigs(user: string, amount: bigint): Promise<void> {
  const [id, salt] = [systemIds.uuid(), systemIds.bytes(32)];
  await world.ledger.submit({
    name: "test.gigs",
    decide: (view) => {
      const issuance = view.openAccount({ asset: "GIGS", role: "issuance", owner: null });
      const account = view.openAccount({ asset: "GIGS", role: "available", owner: user });
      view.openOwner(user, salt);
      view.move({ id, debitAccount: issuance, creditAccount: account, amount, code: "mint" });
      const rest = { user, keyParts: [user] as [string], validUntil: 0, kind: 0, quantity: 0 };
      view.setPosition({ account, section: "balances", ...rest });
      return null;
    },
  });
}

const said = async (...args: string[]) => {
  const { code, out, err } = await cli(...args, "--json", "--api", api.url, "--registry", record.registry);
  return { code, err, ...JSON.parse(out === "" ? "{}" : out) };
};

it("is audited by its asset's code, on its own chain", async () => {
  const found = await said("audit", "--asset", "GIGS", "--rpc", anvil.rpcUrl);
  expect(found).toMatchObject({ code: 0, valid: true, epochs: 1 });
  expect(found.checks).toContainEqual({
    ...{ name: "custody", ok: true },
    detail: "GIGS has no token: 7000000 base units are owed, and nothing on the chain backs them",
  });
  // Where the server says its chain is.
  expect(await said("audit", "--asset", "GIGS")).toMatchObject({ code: 0, valid: true });
});

it("is attested, and so becomes final", async () => {
  const key = join(folder, "key");
  writeFileSync(key, attesters[0]?.privateKey ?? "");
  const options = ["--asset", "GIGS", "--key-file", key, "--state", join(folder, "state")];
  const found = await said("attest", ...options, "--rpc", anvil.rpcUrl);
  expect(found).toMatchObject({ code: 0, valid: true, signed: [{ epoch: "1" }] });
  expect((await world.settlement.attestations(1)).attestations).toEqual([]);
  await chain.provider.send("evm_increaseTime", [WINDOW_SECONDS]);
  await chain.provider.send("evm_mine", []);
  await gigs.advance();
  expect(await gigs.epoch(1)).toMatchObject({ status: "final" });
});

it("is audited where it is ahead of the first book, which may wait for its chain", async () => {
  await grantGigs("user_b", 1_000_000n);
  await gigs.run();
  expect(await said("audit", "--asset", "GIGS", "--rpc", anvil.rpcUrl)).toMatchObject({
    ...{ code: 0, valid: true, epochs: 2 },
  });
});

it("says so where its contracts are not on the chain that answers", async () => {
  const registry = "0x000000000000000000000000000000000000dEaD";
  const lost = await world.open({ asset: "GIGS", chain, record: { ...record, registry } });
  await expect(lost.run()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(`there is no contract at ${registry} on chain 4242`),
  });
  const { appUrl, schema } = world.database;
  const database = createDataSource({ url: appUrl, schema });
  const probes = createProbes({
    ...{ database, books: ledgerQueries(database), clock: systemClock },
    ...{ disk: null, redis: null, chain, settlement: lost },
    assetBooks: { open: new Map(), failed: new Map() },
  });
  const probed = probes.find(({ name }) => name === "chain")?.check();
  await expect(probed).rejects.toThrow(`with no contract at the registry's address ${registry}`);
});
