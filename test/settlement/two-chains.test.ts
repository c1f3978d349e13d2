import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Book, type Chain, connectChain, createClient, type DeploymentRecord, deployAnchor } from "#infra";
import { systemIds } from "#kernel";
import { headerSection } from "#proof";
import type { Settlement } from "#settlement";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { type RpcRelay, startRpcRelay } from "./rpc-relay.ts";
import { createWorld, SUPPLY, TST, type World } from "./world.ts";

const GIGS = 10n ** 6n;

let world: World;
let second: { anvil: Anvil; relay: RpcRelay; chain: Chain; record: DeploymentRecord };
let gigs: Settlement;

beforeAll(async () => {
  world = await createWorld();
  await createGigs();
  const anvil = await startAnvil(["--chain-id", "4242"]);
  const relay = await startRpcRelay(anvil.rpcUrl, async () => {});
  const chain = await connectChain({
    ...{ rpcUrl: relay.url, privateKey: anvil.privateKeys[0], chainId: 4242n },
  });
  const record = await deployAnchor(chain, { windowSeconds: 0, attesters: [] });
  second = { anvil, relay, chain, record };
  gigs = await world.open({ asset: "GIGS", chain, record });
  await grantGigs("user_a", 7n * GIGS);
  await world.grant("user_a", 5n * TST);
});
afterAll(async () => {
  second?.chain.close();
  await second?.relay.close();
  await second?.anvil.stop();
  await world?.close();
});

async function createGigs(): Promise<void> {
  const { ownerUrl: url, schema } = world.database;
  const owner = createClient({ url, schema, applicationName: "two-chains-test" });
  await owner.connect();
  await owner.query("SELECT create_asset('GIGS', 6::smallint, true, true, NULL, 0)");
  await owner.end();
}

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

describe("books on two chains", () => {
  it("hold each the positions of their asset, and the same journal", async () => {
    const tst = (await world.settlement.run()).epoch;
    const other = (await gigs.run()).epoch;
    expect(tst?.header).toMatchObject({ chainId: 31_337n, journalSize: other?.header.journalSize });
    expect(other?.header).toMatchObject({ chainId: 4242n, journalRoot: tst?.header.journalRoot });
    expect(headerSection(tst?.header as never, "balances")).toMatchObject({ sum: SUPPLY, count: 2n });
    expect(headerSection(other?.header as never, "balances")).toMatchObject({ sum: 7n * GIGS, count: 1n });
    expect([tst?.status, other?.status]).toEqual(["final", "final"]);
  });

  it("prove a position on its asset's home chain, and nowhere else", async () => {
    const accountId = world.ledger.accountId({ asset: "GIGS", role: "available", owner: "user_a" });
    const position = { accountId, userId: "user_a", keyParts: ["user_a"] };
    const request = { section: "balances", position, epoch: null, withOpening: false } as const;
    const proof = await gigs.proof(request);
    const home = new Book(second.chain, second.record);
    const isThere = (book: Book) =>
      book.verifyIn(proof.header as never, "balances", proof.leaf as never, proof.siblings as never);
    expect(await isThere(home)).toBe(true);
    expect(await isThere(new Book(world.chain, world.record))).toBe(false);
    await expect(world.settlement.proof(request)).rejects.toMatchObject({ code: "not_found" });
  });

  it("delay each other by nothing: one chain is down, the other goes on, and both are complete afterwards", async () => {
    second.relay.cut(true);
    for (let round = 1; round <= 2; round++) {
      await world.grant("user_a", TST);
      await grantGigs("user_b", GIGS);
      const [tst, other] = await Promise.allSettled([world.settlement.run(), gigs.run()]);
      expect(tst).toMatchObject({ status: "fulfilled", value: { epoch: { status: "final" } } });
      expect(other).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
    }
    expect((await gigs.epochs(null, 9)).map(({ status }) => status)).toEqual(["built", "built", "final"]);
    second.relay.cut(false);
    await gigs.advance();
    expect((await gigs.epochs(null, 9)).map(({ status }) => status)).toEqual(["final", "final", "final"]);
    const [last] = (await new Book(second.chain, second.record).committedEpochs()).slice(-1);
    expect(last?.header.sections[0]).toMatchObject({ sum: 9n * GIGS, count: 2n });
  });

  it("and one whose commit is not mined holds up no other that settles meanwhile", async () => {
    const { provider } = second.chain;
    await provider.send("evm_setAutomine", [false]);
    await grantGigs("user_b", GIGS);
    const waiting = gigs.run();
    await expect.poll(async () => (await gigs.latestEpoch())?.status, { timeout: 20_000 }).toBe("sent");
    await world.grant("user_a", TST);
    expect((await world.settlement.run()).epoch).toMatchObject({ status: "final" });
    expect((await gigs.latestEpoch())?.status).toBe("sent");
    await provider.send("evm_setAutomine", [true]);
    await provider.send("evm_mine", []);
    expect((await waiting).epoch).toMatchObject({ status: "final" });
  });
});

describe("two books of one key on one chain", () => {
  it("take turns: no nonce is used twice, and none is lost", async () => {
    const record = await deployAnchor(world.chain, { windowSeconds: 0, attesters: [] });
    const beside = await world.open({ asset: "GIGS", record });
    const nonce = (await world.chain.signer?.getNonce()) ?? 0;
    for (let round = 0; round < 3; round++) {
      await world.grant("user_a", TST);
      await Promise.all([world.settlement.run(), beside.run()]);
    }
    expect(await world.chain.signer?.getNonce()).toBe(nonce + 3 * 2 * 2);
    for (const settlement of [world.settlement, beside])
      expect((await settlement.epochs(null, 3)).map(({ status }) => status)).toEqual([
        "final",
        "final",
        "final",
      ]);
    const { rows } = await world.pool.query(
      "SELECT nonce FROM settlement_tx t JOIN book b ON b.id = t.book WHERE b.chain_id = 31337 AND nonce >= $1",
      [nonce],
    );
    expect(new Set(rows.map((row) => row.nonce)).size).toBe(rows.length);
  });
});
