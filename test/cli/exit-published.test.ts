/**
 * Leaving with a copy of the published folder and a node: the server is stopped,
 * its database dropped, and nobody ever audited. The chain is real and its clock
 * is moved.
 */
import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, contractArtifact, contractAt, type DeploymentRecord } from "#infra";
import { systemIds } from "#kernel";
import { encodeStatement, type Hex, toHex } from "#proof";
import { attest, createParties, passTime, sendAs } from "../settlement/attesters.ts";
import { cli } from "../settlement/audit-world.ts";
import { startRpcRelay } from "../settlement/rpc-relay.ts";
import { createWorld, TST, type World } from "../settlement/world.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { serveFiles } from "../support/file-server.ts";

const DAY = 86_400;
const parties = createParties({ windowSeconds: 60, attesters: 1, threshold: 1 });
const wallet = Wallet.createRandom();
const folder = mkdtempSync(join(tmpdir(), "anchorbook-published-"));
const keyFile = join(folder, "wallet.key");
/** What somebody copied before the server was gone. */
const copy = join(folder, "copy");

let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
/** Header hashes: of the final epochs in order, and of the one that was vetoed. */
const final: string[] = [];
let vetoed: string;

beforeAll(async () => {
  anvil = await startAnvil();
  const world = await createWorld(async () => ({ ...anvil, stop: async () => {} }), parties.deploy);
  try {
    record = world.record;
    await settleThreeEpochs(world);
    cpSync(world.folder, copy, { recursive: true });
  } finally {
    await world.close();
  }
  chain = await connectChain({ rpcUrl: anvil.rpcUrl });
  await chain.provider.send("anvil_setBalance", [wallet.address, "0x56bc75e2d63100000"]);
  writeFileSync(keyFile, `${wallet.privateKey}\n`, { mode: 0o600 });
});
afterAll(async () => {
  chain?.close();
  await anvil?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function settleThreeEpochs(world: World): Promise<void> {
  await link(world, "alice");
  await world.grant("alice", 100n * TST);
  await world.lock("alice", "deal", 40n * TST);
  await world.stake("alice", "momentum", 25n * TST);
  final.push(await settleFinally(world, 1));
  await world.grant("bob", TST);
  vetoed = (await world.settlement.run()).epoch?.headerHash ?? "";
  const veto = contractArtifact("SettlementRegistry").abi.encodeFunctionData("veto", [2, vetoed]);
  await sendAs(world, parties.guardian, record.registry, veto);
  await world.settlement.advance();
  await world.settlement.release();
  await world.grant("carol", TST);
  await world.release("alice", "deal", 10n * TST);
  final.push(await settleFinally(world, 2));
  await world.release("alice", "deal", 5n * TST);
  await world.grant("bob", TST);
  final.push(await settleFinally(world, 3));
  // Committed, and never final.
  await world.grant("alice", TST);
  await world.settlement.run();
}

async function link({ ledger }: World, user: string): Promise<void> {
  const salt = systemIds.bytes(32);
  await ledger.submit({
    name: "test.link",
    decide(view) {
      view.openOwner(user, salt);
      view.setOwnerWallet(user, "TST", {
        wallet: Buffer.from(wallet.address.slice(2), "hex"),
        proof: encodeStatement({ kind: "reference", user: toHex(salt), number: 1n }),
      });
      return null;
    },
  });
}

async function settleFinally(world: World, epoch: number): Promise<string> {
  await world.settlement.run();
  await attest(world, epoch, parties.attesters);
  await passTime(world, 61);
  await world.settlement.advance();
  const view = await world.settlement.epoch(epoch);
  expect(view?.status).toBe("final");
  return view?.headerHash ?? "";
}

interface ExitAnswer {
  code: number;
  err: string;
  epoch: string;
  positions: { section: string; leaf: { amount: string } }[];
  unproven: { section: string; reason: string }[];
  steps: { action: string; what: string }[];
  sent: { action: string; what: string }[];
}

const places = (...data: string[]) => data.flatMap((place) => ["--data", place]);

async function leave(...args: string[]): Promise<ExitAnswer> {
  const given = (name: string) => (args.includes(name) ? [] : [name]);
  const { code, out, err } = await cli(
    ...["exit", "--key-file", keyFile, "--json", "--registry", record.registry, ...args],
    ...given("--rpc").flatMap((name) => [name, anvil.rpcUrl]),
  );
  if (out === "") throw new Error(err);
  return { ...(JSON.parse(out) as ExitAnswer), code, err };
}

const held = ({ positions }: ExitAnswer) =>
  Object.fromEntries(positions.map(({ section, leaf }) => [section, BigInt(leaf.amount)]));
const ALL = { balances: 50n * TST, locks: 25n * TST, stakes: 25n * TST };

/** A copy of the copy, and the way to a file in it. */
function another(name: string) {
  const place = join(folder, name);
  cpSync(copy, place, { recursive: true });
  return {
    place,
    path: (epoch: number, section: string) => `${final[epoch - 1]}/leaves-${section}.ndjson`,
    lose(epoch: number, section: string) {
      rmSync(join(place, this.path(epoch, section)));
    },
    /** A line too many, of an index that is there already. */
    spoil(epoch: number, section: string) {
      appendFileSync(join(place, this.path(epoch, section)), "{}\n");
    },
  };
}

describe("anchorbook exit, from the published files and a node alone", () => {
  it("finds the positions in a folder, and at its address on any web server", async () => {
    expect(readdirSync(copy).sort()).toEqual(expect.arrayContaining([vetoed, ...final].sort()));
    const found = await leave(...places(copy));
    expect(found).toMatchObject({ code: 0, epoch: "3", unproven: [], sent: [] });
    expect(found.err).toMatch(/^note: whether the contracts are Anchorbook's own was not looked at: .*\n$/);
    expect(held(found)).toEqual(ALL);
    expect(found.steps.map(({ action }) => action)).toEqual(["demandExit", "demandExit", "demandExit"]);
    const served = await serveFiles(copy);
    try {
      expect(await leave(...places(`${served.url}/`))).toEqual(found);
    } finally {
      await served.close();
    }
    // It does not answer any more: the next copy does.
    const without = await leave(...places(served.url, copy));
    expect(held(without)).toEqual(ALL);
    expect(without.err).toContain(
      `cannot be read (no server answers there) in ${served.url}; taken from ${copy}`,
    );
  });

  it("asks a server again that is busy, and takes its word for what it does not have", async () => {
    const served = await serveFiles(copy, (path, before) =>
      path.includes("stakes") ? 404 : before === 0 ? 503 : null,
    );
    try {
      const found = await leave(...places(served.url));
      expect(found.code).toBe(1);
      expect(held(found)).toEqual({ balances: ALL.balances, locks: ALL.locks });
      const file = `${final[0]}/leaves-stakes.ndjson of epoch 1 is missing in ${served.url}`;
      expect(found.unproven).toEqual([{ section: "stakes", reason: expect.stringContaining(file) }]);
      expect(found.err).toContain("not proven: stakes: ");
    } finally {
      await served.close();
    }
  });

  it("takes each file from the first copy that has the right one", async () => {
    const [one, other] = [another("one"), another("other")];
    one.lose(1, "balances");
    one.spoil(2, "locks");
    other.spoil(1, "stakes");
    writeFileSync(join(other.place, other.path(3, "locks")), "");
    const found = await leave(...places(one.place, other.place));
    expect(found).toMatchObject({ code: 0, unproven: [] });
    expect(held(found)).toEqual(ALL);
    const missing = `${one.path(1, "balances")} of epoch 1 is missing in ${one.place}; taken from ${other.place}`;
    expect(found.err).toContain(`note: ${missing}`);
    const order = await leave(...places(other.place, one.place));
    expect(held(order)).toEqual(ALL);
    expect(order.err).toContain(
      `${other.path(3, "locks")} of epoch 3 is not the one that was published in ${other.place}; taken from ${one.place}`,
    );
  });

  it("names what is wrong where no copy is right, and leaves with the other sections", async () => {
    const broken = another("broken");
    broken.spoil(1, "balances");
    broken.lose(2, "balances");
    const found = await leave(...places(broken.place));
    expect(found.code).toBe(1);
    expect(held(found)).toEqual({ locks: ALL.locks, stakes: ALL.stakes });
    expect(found.steps.map(({ what }) => what)).toEqual(["locks 0", "stakes 0"]);
    const [{ section, reason } = { section: "", reason: "" }, ...others] = found.unproven;
    expect({ section, others }).toEqual({ section: "balances", others: [] });
    expect(reason).toContain("do not lead to the root of epoch 3");
    expect(reason).toContain(`${broken.path(1, "balances")} of epoch 1 leaf line`);
    expect(reason).toContain(`${broken.path(2, "balances")} of epoch 2 is missing in ${broken.place}`);
    expect(reason).toContain("Anybody's copy of those files will do");
  });

  it("does without a file that later ones make up for, and without those of a vetoed epoch", async () => {
    const later = another("later");
    rmSync(join(later.place, vetoed), { recursive: true });
    // The one lock changed again in epoch 3.
    later.lose(2, "locks");
    const found = await leave(...places(later.place));
    expect(found).toMatchObject({ code: 0, unproven: [] });
    expect(held(found)).toEqual(ALL);
    expect(found.err).toContain("later files made up for it");
  });

  it("reads the logs of a node in pieces that it allows, and says which commit it lacks", async () => {
    const isLong = (range: { fromBlock: string; toBlock: string }) =>
      Number(range.toBlock) - Number(range.fromBlock) > 3;
    const careful = await startRpcRelay(
      anvil.rpcUrl,
      async () => {},
      (request) => {
        const [range] = request.params as [{ fromBlock: string; toBlock: string }];
        const isRefused = request.method === "eth_getLogs" && isLong(range);
        return isRefused ? { ask: { ...request, method: "eth_refused" } } : null;
      },
    );
    const forgetful = await startRpcRelay(
      anvil.rpcUrl,
      async () => {},
      ({ method }) => (method === "eth_getLogs" ? { result: [] } : null),
    );
    try {
      expect(held(await leave(...places(copy), "--rpc", careful.url))).toEqual(ALL);
      await expect(leave(...places(copy), "--rpc", forgetful.url)).rejects.toThrow(
        "the node's logs lack the commit of epoch 3",
      );
    } finally {
      await careful.close();
      await forgetful.close();
    }
  });

  it("says what it needs", async () => {
    const args = ["exit", "--wallet", wallet.address, "--rpc", anvil.rpcUrl];
    const bookless = await cli(...args, "--data", copy);
    expect(bookless).toMatchObject({ code: 1 });
    expect(bookless.err).toContain("published files need --registry ADDRESS");
    const nowhere = await cli(...args, "--data", join(folder, "nowhere"));
    expect(nowhere.err).toContain("there is no folder");
    const file = await cli(...args, "--data", import.meta.filename);
    expect(file).toMatchObject({
      code: 2,
      err: expect.stringContaining("is a file, and a folder is needed\n"),
    });
    for (const wrong of [
      ["--api", "http://127.0.0.1:1"],
      ["--asset", "TST"],
    ])
      expect((await cli(...args, "--data", copy, ...wrong)).code).toBe(2);
  });

  it("demands, freezes and escapes with it, until all is paid", async () => {
    const begun = await leave(...places(copy), "--send");
    expect(begun.sent.map(({ action }) => action)).toEqual(["demandExit", "demandExit", "demandExit"]);
    await wait(7 * DAY);
    expect((await leave(...places(copy), "--send")).sent).toMatchObject([{ action: "requestFreeze" }]);
    await wait(DAY);
    expect(
      (await leave(...places(copy), "--send")).sent.map(({ action, what }) => `${action} ${what}`),
    ).toEqual([...["freeze balances 1", "escape balances 1"]]);
    await wait(367 * DAY);
    const done = await leave(...places(copy), "--send");
    expect(done.sent.map(({ action, what }) => `${action} ${what}`)).toEqual([
      ...["escape locks 0", "escape stakes 0"],
    ]);
    const token = contractAt(chain, "TST", record.token);
    expect(await token.getFunction("balanceOf")(wallet.address as Hex)).toBe(100n * TST);
  });
});

async function wait(seconds: number): Promise<void> {
  await chain.provider.send("evm_increaseTime", [seconds]);
  await chain.provider.send("evm_mine", []);
}
