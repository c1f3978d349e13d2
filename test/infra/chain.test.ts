import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Book,
  type Chain,
  type ChainHeader,
  checkDeployment,
  commitCalldata,
  connectChain,
  contractAt,
  contractRefusal,
  type DeploymentRecord,
  type DeployOptions,
  deployContracts,
  finalizeCalldata,
  finalSectionOf,
  isChainUnavailable,
  NO_HEADER,
} from "#infra";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { mined } from "../support/mined.ts";
import { plainDomain, plainHeaderHash, plainLeaf, plainTree } from "../support/plain-sum-tree.ts";

const TST = 10n ** 18n;
const SUPPLY = 1_000_000n * TST;
const DIGEST = `0x${"11".repeat(32)}` as const;

let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let book: Book;

beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  book = new Book(chain, record);
});

afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const send = (data: string, from = chain) =>
  mined(from.signer?.sendTransaction({ to: record.registry, data }));

async function nextHeader(previous: ChainHeader, members: Partial<ChainHeader>): Promise<ChainHeader> {
  const block = await chain.provider.getBlock("latest");
  return {
    ...previous,
    version: 1,
    chainId: chain.chainId,
    registry: record.registry.toLowerCase() as `0x${string}`,
    epoch: previous.epoch + 1n,
    previous: previous.epoch === 0n ? NO_HEADER.previous : (plainHeaderHash(previous) as `0x${string}`),
    journalRoot: DIGEST,
    journalSize: previous.journalSize + 1n,
    dataHash: DIGEST,
    closedAt: BigInt(block?.timestamp ?? 0),
    ...members,
  };
}

describe("a connection", () => {
  it("says that no chain answers, within the timeout, and hides what the URL carries", async () => {
    const away = "http://user:secret@127.0.0.1:9/secret-path";
    const error = await connectChain({ rpcUrl: away }).catch((reason: unknown) => reason);
    expect(isChainUnavailable(error)).toBe(true);
    expect(String(error)).not.toContain("secret");
  });

  it("says what is no node, and does not know it of what stands before one", async () => {
    let [status, body] = [200, "<html>"];
    const web = createHttpServer((_, response) => response.writeHead(status).end(body));
    const other = createServer((socket) => socket.on("error", () => {}).end("-ERR unknown command\r\n"));
    const said = async (server: Server) => {
      if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const error = await connectChain({ rpcUrl: `http://${host}` }).catch((reason: unknown) => reason);
      expect(isChainUnavailable(error)).toBe(true);
      return (error as Error).message.replace(host, "HOST");
    };
    const isNone = "what answers at HOST does not look like a node of a chain: it speaks no JSON-RPC";
    expect(await said(web)).toBe(isNone);
    [status, body] = [404, '{"error":"not_found"}'];
    expect(await said(web)).toBe(`${isNone} (it answers 404)`);
    expect(await said(other)).toBe(isNone);
    for (status of [429, 503]) expect(await said(web)).toBe("no chain answers at HOST");
    [status, body] = [200, '{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}}'];
    expect(await said(web)).toBe("no chain answers at HOST");
    for (const server of [web, other]) server.close();
  });

  it("with a known chain id connects while the chain is down, and its calls reject", async () => {
    const blind = await connectChain({ rpcUrl: "http://127.0.0.1:9", chainId: 31337n });
    const error = await blind.provider.getBlockNumber().catch((reason: unknown) => reason);
    expect(isChainUnavailable(error)).toBe(true);
    blind.close();
  });
});

describe("a deployment", () => {
  it("puts the whole supply into the vault and wires everything to everything", async () => {
    expect(record.chain_id).toBe(31337);
    expect(record.custodians.balances).toBe(record.custodians.payouts);
    expect(await book.custody()).toEqual({
      vault: SUPPLY,
      escrow: 0n,
      staking: 0n,
      reserve: 0n,
      total: SUPPLY,
    });
    await expect(checkDeployment(chain, record)).resolves.toBeUndefined();
  });

  it("is refused by a check against swapped, missing or foreign contracts", async () => {
    const { locks, stakes } = record.custodians;
    const swapped = { ...record, custodians: { ...record.custodians, locks: stakes, stakes: locks } };
    await expect(checkDeployment(chain, swapped)).rejects.toThrow(/registry\.custodianOf\(locks\)/);
    const missing = { ...record, token: Wallet.createRandom().address };
    await expect(checkDeployment(chain, missing)).rejects.toThrow(/no contract at/);
    const another = { ...record, chain_id: 1 };
    await expect(checkDeployment(chain, another)).rejects.toThrow(/chain 1/);
    const told = await connectChain({ rpcUrl: anvil.rpcUrl, chainId: 1n });
    await expect(checkDeployment(told, another)).rejects.toThrow(/the node is of chain 31337/);
    told.close();
  });

  it("that was interrupted can simply be started again", async () => {
    const stop = new Error("killed");
    let mined = 0;
    const log = () => {
      mined += 1;
      if (mined === 3) throw stop;
    };
    await expect(deployContracts(chain, { windowSeconds: 0, attesters: [], log })).rejects.toBe(stop);
    const again = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    await expect(checkDeployment(chain, again)).resolves.toBeUndefined();
    expect(again.registry).not.toBe(record.registry);
  });

  it("takes a window and attesters, with roles that differ", async () => {
    const [admin, guardian, first, second] = [0, 1, 2, 3].map(() => Wallet.createRandom().address);
    const windowed = await deployContracts(chain, {
      windowSeconds: 86_400,
      attesters: [first ?? "", second ?? ""],
      threshold: 1,
      admin,
      guardian,
    });
    const registry = contractAt(chain, "SettlementRegistry", windowed.registry);
    expect(await registry.getFunction("challengeWindow")()).toBe(86_400n);
    expect(await registry.getFunction("threshold")()).toBe(1n);
    expect([...(await registry.getFunction("attesters")())]).toEqual([first, second]);
    expect(await registry.getFunction("minimumExit")()).toBe(TST);
  });

  it("is refused by the contracts, by name, where nobody could object in the window", async () => {
    const refusal = (options: Partial<DeployOptions>) =>
      deployContracts(chain, { windowSeconds: 86_400, attesters: [], ...options }).then(
        () => null,
        (error: unknown) => contractRefusal(error),
      );
    const attesters = [Wallet.createRandom().address];
    const operator = chain.signer?.address;
    expect(await refusal({ attesters })).toEqual({ name: "RolesNotSeparate", args: [operator] });
    const [admin, guardian] = [Wallet.createRandom().address, Wallet.createRandom().address];
    expect(await refusal({ admin, guardian })).toEqual({ name: "BadThreshold", args: [0n, 0n] });
    expect(await refusal({ windowSeconds: 259_201 })).toEqual({
      name: "WindowTooLong",
      args: [259_201n, 259_200n],
    });
  });

  it("needs a key", async () => {
    const reader = await connectChain({ rpcUrl: anvil.rpcUrl });
    await expect(deployContracts(reader, { windowSeconds: 0, attesters: [] })).rejects.toThrow(/private key/);
    reader.close();
  });
});

describe("an epoch", () => {
  const locks = [
    plainLeaf(0, 10n * TST, { validUntil: 1_800_000_000n, kind: 1 }),
    plainLeaf(1, 50n * TST),
    plainLeaf(2, 0n),
  ];
  let first: ChainHeader;

  it("is not there before it is committed", async () => {
    expect(await book.lastCommitted()).toBe(0n);
    expect(await book.headerHashOf(1n)).toBeNull();
    expect(await book.readCommitted(1n)).toBeNull();
    expect(await book.readFinalized(1n)).toBeNull();
  });

  it("is committed with the hash that others compute, and read back from its event", async () => {
    const balances = plainTree(plainDomain(record, "balances"), [plainLeaf(0, SUPPLY - 60n * TST)]);
    const tree = plainTree(plainDomain(record, "locks"), locks);
    const sections = [...NO_HEADER.sections];
    sections[0] = balances.section;
    sections[1] = tree.section;
    first = await nextHeader(NO_HEADER, { sections });
    const receipt = await send(commitCalldata(NO_HEADER, first));
    const committed = await book.readCommitted(1n);
    expect(committed).toEqual({
      epoch: 1n,
      header: first,
      headerHash: plainHeaderHash(first),
      txHash: receipt.hash,
      blockNumber: receipt.blockNumber,
      blockHash: receipt.blockHash,
    });
    expect(await book.headerHashOf(1n)).toBe(committed?.headerHash);
    expect(await book.committedEpochs()).toEqual([committed]);
  });

  it("answers proofs by verifyIn at once and by verify only when it is final", async () => {
    const tree = plainTree(plainDomain(record, "locks"), locks);
    for (const [index, leaf] of locks.entries()) {
      expect(await book.verifyIn(first, "locks", leaf, tree.proof(index))).toBe(true);
      expect(await book.verify("locks", leaf, tree.proof(index))).toBe(false);
    }
    const receipt = await send(finalizeCalldata(first));
    expect(await book.readFinalized(1n)).toMatchObject({
      headerHash: plainHeaderHash(first),
      txHash: receipt.hash,
    });
    for (const [index, leaf] of locks.entries()) {
      expect(await book.verify("locks", leaf, tree.proof(index))).toBe(true);
      expect(await book.verify("locks", { ...leaf, amount: leaf.amount + 1n }, tree.proof(index))).toBe(
        false,
      );
      expect(await book.verifyIn(first, "stakes", leaf, tree.proof(index))).toBe(false);
      expect(await book.verifyIn({ ...first, closedAt: 0n }, "locks", leaf, tree.proof(index))).toBe(false);
    }
  });

  it("nets the tokens: the escrow holds the locks, the vault the rest", async () => {
    const { section } = plainTree(plainDomain(record, "locks"), locks);
    expect(await book.finalSection("locks")).toEqual(finalSectionOf(section));
    expect(await book.custody()).toMatchObject({
      escrow: 60n * TST,
      vault: SUPPLY - 60n * TST,
      total: SUPPLY,
    });
  });

  it("is refused a second time, and from anybody but the committer, by named errors", async () => {
    const repeated = await send(commitCalldata(NO_HEADER, first)).catch((e: unknown) => e);
    expect(contractRefusal(repeated)).toEqual({ name: "WrongEpoch", args: [2n, 1n] });
    const stranger = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[1] });
    const second = await nextHeader(first, {});
    const refused = await send(commitCalldata(first, second), stranger).catch((e: unknown) => e);
    expect(contractRefusal(refused)?.name).toBe("AccessControlUnauthorizedAccount");
    expect(contractRefusal(new Error("something else"))).toBeNull();
    stranger.close();
  });

  it("is refused without a reason where no function is asked for", async () => {
    const silent = await chain.provider
      .estimateGas({ to: record.registry, data: "0xdeadbeef" })
      .catch((error: unknown) => error);
    expect(silent).toMatchObject({ code: "CALL_EXCEPTION", data: "0x" });
    expect(contractRefusal(silent)).toBeNull();
  });

  it("costs the same gas with a few positions and with a billion", async () => {
    const gas: number[] = [];
    let previous = first;
    for (const count of [100n, 1_000_000_000n]) {
      const sections = first.sections.map((section, place) =>
        place === 1 ? { ...section, count } : section,
      );
      const header = await nextHeader(previous, { sections });
      const commit = await send(commitCalldata(previous, header));
      const finalize = await send(finalizeCalldata(header));
      gas.push(Number(commit.gasUsed + finalize.gasUsed));
      previous = header;
    }
    // Another number has other calldata bytes: 12 gas each, twice a transaction at most, and eight bytes a number.
    expect(Math.abs((gas[0] ?? 0) - (gas[1] ?? 0))).toBeLessThan(500);
  });
});
