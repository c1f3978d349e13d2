/** Two books with tokens, on two chains, over one journal: what comes in and goes out of each is its own. */
import { Contract, type InterfaceAbi, Wallet } from "ethers";
import type { Response } from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, chainRoutes, logRoutes, settlementRoutes, walletRoutes, withdrawalRoutes } from "#api";
import {
  type Chain,
  connectChain,
  contractArtifact,
  contractAt,
  createClient,
  type DeploymentRecord,
  deployContracts,
  silentLog,
} from "#infra";
import { systemIds } from "#kernel";
import { balanceAccount, TREASURY_USER } from "#programs/access";
import { WALLET_TYPES } from "#proof";
import type { ChainEffects, Settlement } from "#settlement";
import { openPayouts, userOfWallet, Wallets } from "#wallets";
import { EFFECTS_WITHOUT_PROGRAM } from "../../src/asset-books.ts";
import { createWalletReads } from "../../src/wallets/reads.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { mined } from "../support/mined.ts";
import { bearer } from "../support/tokens.ts";
import { cli, cliWith } from "./audit-world.ts";
import { expectCoherentWithChain } from "./chain-coherence.ts";
import { type RpcRelay, startRpcRelay } from "./rpc-relay.ts";
import { createWatchWorld, leafTuple, nodes, TOKENS, type WatchWorld } from "./watch-world.ts";

const SUPPLY = 10n ** 24n;
const SYMBOL_SLOT = "0x4";

interface Book {
  readonly asset: string;
  readonly chain: Chain;
  readonly record: DeploymentRecord;
  readonly settlement: Settlement;
  readonly wallets: Wallets;
  /** The same key on every chain. */
  readonly wallet: Wallet;
}

let world: WatchWorld;
let anvil: Anvil;
let relay: RpcRelay;
let api: TestApi;
const books = {} as Record<"TST" | "GIGS", Book>;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  world = await createWatchWorld();
  anvil = await startAnvil(["--chain-id", "4242"]);
  relay = await startRpcRelay(anvil.rpcUrl, async () => {});
  const direct = await connectChain({
    ...{ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0], chainId: 4242n },
  });
  const record = await deployContracts(direct, { windowSeconds: 0, attesters: [] });
  // An asset's own token has its own name; all else is alike.
  const symbol = `0x${Buffer.from("GIGS").toString("hex").padEnd(62, "0")}08`;
  await direct.provider.send("anvil_setStorageAt", [record.token, SYMBOL_SLOT, symbol]);
  const far = await connectChain({
    ...{ rpcUrl: relay.url, privateKey: anvil.privateKeys[0], chainId: 4242n },
  });
  ends.push(
    () => direct.close(),
    () => far.close(),
  );
  await createGigs();
  books.TST = await open("TST", world.chain, world.record, world.chain);
  books.GIGS = await open("GIGS", far, record, direct);
  await genesisOfGigs();
  const others = { books: new Map([["GIGS", { ...books.GIGS, publicRpcUrl: anvil.rpcUrl, scale: 18 }]]) };
  const wallets = { wallets: books.TST.wallets, others: new Map([["GIGS", books.GIGS.wallets]]) };
  const { settlement } = books.TST;
  api = await startApi([
    ...settlementRoutes({
      ...{ settlement, ...others, ledger: world.ledger, publicRpcUrl: world.anvil.rpcUrl },
      findPosition: async (section, id, asset = "TST") =>
        section === "payouts"
          ? books[asset as "TST" | "GIGS"].wallets.payoutsOf(id)
          : { accountId: world.ledger.accountId(balanceAccount(id, asset)), userId: id, keyParts: [id] },
    }),
    ...chainRoutes({ settlement, ...others }),
    ...walletRoutes({
      ...{ ...wallets, settlement, ...others, treasuryUser: TREASURY_USER },
      asset: { code: "TST", scale: 18 },
    }),
    ...withdrawalRoutes(wallets),
    ...auditRoutes(settlement, others.books),
    ...logRoutes({ log: settlement.log, ledger: "default" }),
  ]);
});
afterAll(async () => {
  if (!world) return;
  await expectCoherentWithChain(world, {});
  await api.close();
  for (const { settlement } of Object.values(books)) await settlement.stop();
  for (const end of ends) await end();
  await relay.close();
  await anvil.stop();
  await world.close();
});

/** @param own the wallet's connection, which nobody cuts */
async function open(
  asset: "TST" | "GIGS",
  chain: Chain,
  record: DeploymentRecord,
  own: Chain,
): Promise<Book> {
  const effects: ChainEffects = {
    ...{ ...world.effects, ...(asset === "TST" ? {} : EFFECTS_WITHOUT_PROGRAM) },
    ...{ userOf: userOfWallet, payoutsOf: (view, of, user) => openPayouts(view, user, of) },
  };
  const watching = world.watching({ effects: () => effects });
  const settlement = await world.open({ asset, chain, record, watching });
  const { ledger, dataSource } = world;
  const wallets = new Wallets({
    ...{ ledger, dataSource, asset, settlement, chain, ids: systemIds, log: silentLog() },
    ...{ balanceAccountOf: balanceAccount, chainSeenUntil: async () => null, isFrozen: async () => false },
    finalBlock: () => chain.provider.getBlockNumber(),
  });
  const wallet = new Wallet(anvil.privateKeys[1], own.provider);
  return { asset, chain, record, settlement, wallets, wallet };
}

async function createGigs(): Promise<void> {
  const { ownerUrl: url, schema } = world.database;
  const owner = createClient({ url, schema, applicationName: "two-tokens-test" });
  await owner.connect();
  await owner.query("SELECT create_asset('GIGS', 18::smallint, true, false, $1, 0)", [SUPPLY]);
  await owner.end();
}

async function genesisOfGigs(): Promise<void> {
  const [id, salt] = [systemIds.uuid(), systemIds.bytes(32)];
  await world.ledger.submit({
    name: "test.genesis",
    decide: (view) => {
      const debitAccount = view.openAccount({ asset: "GIGS", role: "custody", owner: null });
      const account = view.openAccount({ asset: "GIGS", role: "treasury", owner: null });
      view.openOwner(TREASURY_USER, salt);
      view.move({ id, debitAccount, creditAccount: account, amount: SUPPLY, code: "genesis" });
      const rest = { user: TREASURY_USER, keyParts: [TREASURY_USER] as [string] };
      view.setPosition({ account, section: "balances", ...rest, validUntil: 0, kind: 0, quantity: 0 });
      return null;
    },
  });
}

async function grant(asset: string, user: string, amount: bigint): Promise<void> {
  const id = systemIds.uuid();
  await world.ledger.submit({
    name: "test.grant",
    decide: (view) => {
      const debitAccount = view.openAccount({ asset, role: "treasury", owner: null });
      const creditAccount = view.openAccount({ asset, role: "available", owner: user });
      return view.move({ id, debitAccount, creditAccount, amount, code: "grant" }).id;
    },
  });
}

/** JSON of many shapes; the server checks each answer against its schema. */
const call = async (method: string, path: string, body?: unknown): Promise<Response["body"]> => {
  const headers = { authorization: bearer("anna"), "content-type": "application/json" };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const answer = await fetch(`${api.url}/api/v1/${path}`, init);
  const read = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(read)}`);
  return read;
};
const vault = ({ record, wallet }: Book) =>
  new Contract(
    record.custodians.balances,
    contractArtifact("SettlementVault").abi as unknown as InterfaceAbi,
    wallet,
  );
const deposit = (book: Book, amount: bigint) => mined(vault(book).getFunction("deposit")(amount));
const held = async (asset: string, role = "available") =>
  (
    await world.rows<{ amount: bigint }>(
      "SELECT coalesce(sum(credits_posted - debits_posted), 0) AS amount FROM account WHERE owner = 'anna' AND asset = $1 AND role = $2",
      [asset, role],
    )
  )[0]?.amount;

async function audit({ asset, record }: Book, rpcUrl: string) {
  const found = await cli(
    ...[
      "audit",
      "--json",
      "--api",
      api.url,
      "--registry",
      record.registry,
      "--rpc",
      rpcUrl,
      "--asset",
      asset,
    ],
  );
  return { code: found.code, ...JSON.parse(found.out || found.err) };
}

describe.each(["TST", "GIGS"] as const)("the book of %s", (asset) => {
  it("links a wallet for its asset alone, and pays out to it", async () => {
    const book = books[asset];
    const { wallet } = book;
    expect((await call("GET", `wallets?asset=${asset}`)).wallet).toBe(null);
    const { typed_data: typed } = await call("POST", "wallets/message", { wallet: wallet.address, asset });
    expect(typed.domain.chainId).toBe(`${book.record.chain_id}`);
    const { number, deadline } = typed.message;
    const signature = await wallet.signTypedData(
      typed.domain,
      { LinkWallet: [...WALLET_TYPES.LinkWallet] },
      typed.message,
    );
    await call("POST", "wallets", {
      ...{ wallet: wallet.address, number: Number(number), deadline: Number(deadline), signature, asset },
    });
    expect((await call("GET", `wallets?asset=${asset}`)).wallet).toBe(wallet.address);
    await grant(asset, "anna", 100n * TOKENS);
    const { withdrawal_id: id } = await call("POST", "withdrawals", { amount: "60", asset });
    await book.settlement.run();
    const { status, claim } = await call("GET", `withdrawals/${id}`);
    expect([status, claim.chain_id, claim.claimable]).toEqual(["final", book.record.chain_id, "60"]);
    expect((await call("GET", claim.proof.replace("/api/v1/", ""))).chain_id).toBe(`${book.record.chain_id}`);
    await mined(wallet.sendTransaction({ to: claim.vault, data: claim.claim }));
    await book.settlement.watcher?.look();
    expect(await call("GET", `withdrawals/${id}`)).toMatchObject({ status: "claimed", claim: null });
    expect((await call("GET", `withdrawals?asset=${asset}`)).data).toMatchObject([
      { withdrawal_id: id, asset },
    ]);
  });

  it("credits what comes in on its chain", async () => {
    const book = books[asset];
    const before = (await held(asset)) ?? 0n;
    await deposit(book, 7n * TOKENS);
    await book.settlement.run();
    expect(await held(asset)).toBe(before + 7n * TOKENS);
    expect((await book.settlement.latestEpoch())?.header.depositSeq).toBe(1n);
    expect(await call("GET", `settlement/entries?asset=${asset}`)).toMatchObject({
      data: [{ entry: 1, asset, amount: "7", status: "credited" }],
    });
    const { chain } = await call("GET", `settlement/chain?asset=${asset}`);
    expect(chain.last_entry).toBe(1);
    const [event] = (await call("GET", `settlement/events?asset=${asset}&event=EntryMade`)).data;
    expect(event.contract).toBe(book.record.registry);
  });
});

describe("what follows from a wallet", () => {
  it("is left to the book that it is linked for", async () => {
    await world.rows("UPDATE wallet_user SET carried = false");
    const { TST, GIGS } = books;
    expect(await TST.wallets.follow()).toMatchObject({ carried: 1, failed: 0 });
    const left = () => world.rows("SELECT asset FROM wallet_user WHERE NOT carried");
    expect(await left()).toEqual([{ asset: "GIGS" }]);
    expect(await GIGS.wallets.follow()).toMatchObject({ carried: 1, failed: 0 });
    expect(await left()).toEqual([]);
  });

  it("and so is a change that was announced", async () => {
    const { wallet } = books.GIGS;
    const other = Wallet.createRandom();
    const { typed_data: typed } = await call("POST", "wallets/message", {
      wallet: other.address,
      asset: "GIGS",
    });
    const { number, deadline } = typed.message;
    const types = { LinkWallet: [...WALLET_TYPES.LinkWallet] };
    const signature = await other.signTypedData(typed.domain, types, typed.message);
    await call("POST", "wallets", {
      ...{
        wallet: other.address,
        number: Number(number),
        deadline: Number(deadline),
        signature,
        asset: "GIGS",
      },
    });
    const reads = createWalletReads(world.dataSource);
    const end = 2 ** 40;
    expect(await reads.waiting("TST", end, null, 9)).toEqual([]);
    expect(await reads.waiting("GIGS", end, null, 9)).toMatchObject([
      { asset: "GIGS", wallet: wallet.address.toLowerCase() },
    ]);
    await call("POST", "wallets/cancel", { user: typed.message.user, number: Number(number), asset: "GIGS" });
    expect(await reads.waiting("GIGS", end, null, 9)).toEqual([]);
  });
});

describe("a chain that is down", () => {
  it("delays what comes in on it, and nothing of the other book", async () => {
    const before = { TST: (await held("TST")) ?? 0n, GIGS: (await held("GIGS")) ?? 0n };
    relay.cut(true);
    await deposit(books.TST, 2n);
    await deposit(books.GIGS, 3n);
    const [tst, gigs] = await Promise.allSettled([books.TST.settlement.run(), books.GIGS.settlement.run()]);
    expect(tst).toMatchObject({ status: "fulfilled", value: { epoch: { status: "final" } } });
    expect(gigs).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    expect([await held("TST"), await held("GIGS")]).toEqual([before.TST + 2n, before.GIGS]);
    relay.cut(false);
    await books.GIGS.settlement.run();
    expect([await held("TST"), await held("GIGS")]).toEqual([before.TST + 2n, before.GIGS + 3n]);
    for (const { settlement } of Object.values(books))
      expect((await settlement.latestEpoch())?.header.depositSeq).toBe(2n);
  });
});

describe("whoever leaves one book", () => {
  it("is swept and served there, and stays in the other", async () => {
    const { settlement, ...book } = books.GIGS;
    const tst = await held("TST");
    const accountId = world.ledger.accountId(balanceAccount("anna", "GIGS"));
    const position = { accountId, userId: "anna", keyParts: ["anna"] };
    const { leaf, siblings } = await settlement.proof({
      ...{ section: "balances", position, epoch: null, withOpening: false },
    });
    const demand = vault({ ...book, settlement }).getFunction("demandExit");
    await mined(demand(0, leafTuple(leaf), nodes(siblings)));
    await settlement.watcher?.look();
    const { data } = await call("GET", "settlement/demands?asset=GIGS&open=true");
    expect(data).toMatchObject([{ asset: "GIGS", wallet: book.wallet.address }]);
    expect((await call("GET", "settlement/demands")).data).toEqual([]);
    await world.advance(60);
    await book.chain.provider.send("evm_increaseTime", [60]);
    await book.chain.provider.send("evm_mine", []);
    await settlement.run();
    await settlement.run();
    await settlement.watcher?.look();
    expect([await held("GIGS"), await held("TST")]).toEqual([0n, tst]);
    expect((await call("GET", "settlement/demands?asset=GIGS&open=false")).data).toMatchObject([
      { status: "served" },
    ]);
  });
});

it("auditors of both books agree, each with its own chain", async () => {
  for (const { settlement } of Object.values(books)) await settlement.run();
  for (const [book, rpcUrl] of [
    [books.TST, world.anvil.rpcUrl],
    [books.GIGS, anvil.rpcUrl],
  ] as const) {
    const found = await audit(book, rpcUrl);
    expect(found).toMatchObject({ code: 0, valid: true });
    const detail = Object.fromEntries(
      found.checks.map(({ name, detail }: { name: string; detail: string }) => [name, detail]),
    );
    expect(detail.entries).toBe("entries up to 2 of 2 credited; 1 claim");
  }
});

it("the command line links, withdraws and claims in the book of the asset it is told", async () => {
  const { asset, chain, record, settlement } = books.GIGS;
  const wallet = Wallet.createRandom(chain.provider);
  await chain.provider.send("anvil_setBalance", [wallet.address, "0xde0b6b3a7640000"]);
  const [, token = ""] = bearer("ben").split(" ");
  const env = { ANCHORBOOK_API: api.url, ANCHORBOOK_TOKEN: token, WALLET_PRIVATE_KEY: wallet.privateKey };
  const linked = await cliWith(env, "withdraw", "5", "--asset", asset, "--link");
  expect(linked.err).toContain(`linked ${wallet.address}`);
  expect(linked.err).toContain("insufficient_balance");
  await grant(asset, "ben", 8n * TOKENS);
  const { code, out } = await cliWith(env, "withdraw", "5", "--asset", asset, "--json");
  expect(code).toBe(0);
  await settlement.run();
  const proof = ["proof", "payouts", JSON.parse(out).withdrawal_id, "--out", "-"];
  expect((await cliWith(env, ...proof)).err).toContain("not_found");
  expect(JSON.parse((await cliWith(env, ...proof, "--asset", asset)).out)).toMatchObject({
    ...{ chain_id: `${record.chain_id}`, leaf: { amount: `${5n * TOKENS}` } },
  });
  expect((await cliWith(env, "claim")).err).toContain("nothing was ever withdrawn");
  const claimed = await cliWith(env, "claim", "--asset", asset);
  expect(claimed).toMatchObject({
    code: 0,
    out: expect.stringContaining(`claimed 5 GIGS to ${wallet.address}`),
  });
  expect(await contractAt(chain, "TST", record.token).getFunction("balanceOf")(wallet.address)).toBe(
    5n * TOKENS,
  );
  await settlement.watcher?.look();
});
