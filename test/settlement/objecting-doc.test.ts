/** The lines of docs/objecting.md, as they stand there: a guardian vetoes, anybody challenges, on a real chain. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Wallet } from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Book, commitCalldata } from "#infra";
import {
  buildProof,
  type Header,
  headerHash,
  type Leaf,
  leafDomain,
  type ProofDocument,
  proofToJson,
  SumTree,
} from "#proof";
import { fencedBlocks } from "../../scripts/fenced-blocks.ts";
import { forChain } from "../../src/settlement/next-header.ts";
import { freezeBook } from "../support/committed-locks.ts";
import { mined } from "../support/mined.ts";
import { createParties } from "./attesters.ts";
import { createWorld, TST, type World } from "./world.ts";

const ROOT = join(import.meta.dirname, "../..");
const parties = createParties({ windowSeconds: 3_600, attesters: 1, threshold: 1 });
const stranger = new Wallet(`0x${"5a".repeat(32)}`);
const folder = mkdtempSync(join(tmpdir(), "anchorbook-objecting-"));

/** The reason alone. */
const SHOWS_NOTHING = { code: 1, stderr: "refused: NoContradiction\n" };
const PROOF_FILE = "a proof file, as anchorbook proof SECTION ID --epoch N --out FILE writes it";

let world: World;
let contracts: Book;

beforeAll(async () => {
  world = await createWorld(undefined, parties.deploy);
  contracts = new Book(world.chain, world.record);
  await world.grant("user_a", 100n * TST);
  for (const agreement of ["one", "two"]) await world.lock("user_a", agreement, 10n * TST);
  await world.settlement.run();
  for (const { address } of [parties.guardian, stranger])
    await world.chain.provider.send("anvil_setBalance", [address, "0x8ac7230489e80000"]);
});
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the block of this name in the repository. @throws Error with what it says on standard error as `stderr` */
async function run(block: string, key: string, env: Record<string, string> = {}): Promise<string> {
  const found = fencedBlocks(join(ROOT, "docs/objecting.md")).find(({ info }) => info === `sh ${block}`);
  if (!found) throw new Error(`the document has no block ${block}`);
  const keyFile = join(folder, "key");
  writeFileSync(keyFile, `${key}\n`);
  const { stdout } = await promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", found.text], {
    cwd: ROOT,
    env: {
      ...{ PATH: `${dirname(process.execPath)}:${process.env.PATH}`, KEY_FILE: keyFile },
      ...{ RPC_URL: world.anvil.rpcUrl, REGISTRY: world.record.registry, ...env },
    },
  });
  return stdout;
}

const proofOf = (agreement: string) =>
  world.settlement.proof({
    ...{ section: "locks", position: world.position("locks", "user_a", agreement) },
    ...{ epoch: null, withOpening: false },
  });

function saved(name: string, proof: ProofDocument): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(proofToJson(proof)));
  return path;
}

/** The operator commits the epoch after this one, with the locks changed. */
async function commitForged(previous: Header, locks: Partial<Header["sections"][number]>): Promise<Header> {
  const header: Header = {
    ...{ ...previous, epoch: previous.epoch + 1n, previous: headerHash(previous) },
    sections: previous.sections.map((section, place) => (place === 1 ? { ...section, ...locks } : section)),
  };
  const data = commitCalldata(forChain(previous), forChain(header));
  const sent = world.chain.signer?.sendTransaction({ to: world.record.registry, data });
  await mined(sent as NonNullable<typeof sent>);
  return header;
}

it("lists what is pending, and vetoes it by the guardian's key", async () => {
  const { epoch, headerHash: hash } = (await world.settlement.latestEpoch()) ?? { epoch: 0, headerHash: "" };
  const { privateKey } = parties.guardian;
  // Which needs no key, whatever is named.
  const pending = await run("pending", privateKey, { KEY_FILE: join(folder, "none") });
  const stands = `epoch ${epoch}  header ${hash}  window until `;
  expect(pending.startsWith(stands)).toBe(true);
  const [until, now] = [...pending.matchAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g)].map(([time]) => Date.parse(time));
  expect((until ?? 0) - (now ?? 0)).toBeGreaterThan(3_000_000);
  const env = { EPOCH: `${epoch}`, HEADER_HASH: hash };
  await expect(run("veto", stranger.privateKey, env)).rejects.toMatchObject({
    ...{ code: 1, stderr: "refused: NotGuardianOrCommitter\n" },
  });
  await expect(run("veto", "0x12", env)).rejects.toMatchObject({
    stderr: expect.stringMatching(/^\S+ holds no private key: 0x and 64 hex digits\n$/),
  });
  expect(await run("veto", privateKey, env)).toMatch(/^epoch 1 and all after it are dropped: block \d+, 0x/);
  expect(await contracts.isVetoed(hash as `0x${string}`)).toBe(true);
  expect(await run("pending", privateKey)).toMatch(
    /^nothing is pending: committed epochs: 0, and all are final\nblock \d+, /,
  );
  await world.settlement.advance();
  await world.settlement.release();
  expect((await world.settlement.run()).epoch).toMatchObject({ epoch: 1, status: "committed" });
});

it("says in one line what is missing or wrong, and sends nothing", async () => {
  const { epoch, headerHash } = (await world.settlement.latestEpoch()) ?? { epoch: 0, headerHash: "" };
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const env = { EPOCH: `${epoch}`, HEADER_HASH: headerHash };
  const nonce = () => world.chain.provider.getTransactionCount(parties.guardian.address);
  const before = await nonce();
  const nowhere = `0x${"12".repeat(20)}`;
  const cases: [string, Record<string, string>, string][] = [
    [
      "pending",
      { REGISTRY: "" },
      "REGISTRY is not set: an address: 0x and 40 hex digits with a right checksum, if any",
    ],
    [
      "pending",
      { REGISTRY: "0x12" },
      "REGISTRY must be an address: 0x and 40 hex digits with a right checksum, if any",
    ],
    ["pending", { REGISTRY: nowhere }, `there is no contract at ${nowhere} on chain 31337`],
    [
      "pending",
      { REGISTRY: world.record.token },
      `what stands at ${world.record.token} on chain 31337 is no registry`,
    ],
    ["pending", { RPC_URL: "" }, "RPC_URL is not set: an http(s) URL"],
    ["pending", { RPC_URL: "http://127.0.0.1:1" }, "no chain answers at 127.0.0.1:1"],
    ["pending", { RPC_URL: silentUrl }, `no chain answers at ${new URL(silentUrl).host}`],
    [
      "veto",
      { ...env, HEADER_HASH: headerHash.slice(0, 20) },
      "HEADER_HASH must be a whole hash: 0x and 64 hex digits",
    ],
    ["veto", { ...env, HEADER_HASH: "" }, "HEADER_HASH is not set: a whole hash: 0x and 64 hex digits"],
    ["veto", { ...env, EPOCH: "" }, "EPOCH is not set: the number of an epoch"],
    [
      "veto",
      { ...env, KEY_FILE: "" },
      "KEY_FILE is not set: a file with the private key of the account that sends the transaction: 0x and 64 hex digits",
    ],
    ["veto", { ...env, KEY_FILE: `${folder}/none` }, `there is no file ${folder}/none`],
    [
      "challenge-leaves",
      { EARLIER: "", LATER: "x" },
      `EARLIER is not set: ${PROOF_FILE}, of the older of the two epochs`,
    ],
    ["challenge-node", { LATER: "" }, `LATER is not set: ${PROOF_FILE}, of the epoch that is to be dropped`],
    [
      "challenge-node",
      { LATER: join(folder, "key") },
      `${folder}/key is no proof of a position: anchorbook verify ${folder}/key says what it is`,
    ],
  ];
  for (const [block, given, says] of cases)
    await expect(run(block, parties.guardian.privateKey, given), says).rejects.toMatchObject({
      ...{ code: 1, stdout: "", stderr: `${says}\n` },
    });
  silent.closeAllConnections();
  silent.close();
  expect(await nonce()).toBe(before);
  // Fourteen commands one after the other, of which one waits 15 seconds.
}, 180_000);

it("shows two leaves that cannot both be true", async () => {
  const [earlier, other] = [await proofOf("one"), await proofOf("two")];
  const leaf: Leaf = { ...earlier.leaf, key: `0x${"ab".repeat(32)}` };
  const { section, custodian, asset, header } = earlier;
  const tree = new SumTree(leafDomain({ chainId: header.chainId, custodian, token: asset, section }));
  const leaves = [leaf, other.leaf].sort((one, two) => Number(one.index - two.index));
  const { root, sum, count } = tree.apply(1n, leaves);
  const siblings = tree.newest().proof(leaf.index);
  const forged = await commitForged(header, { root, sum, count });
  const later = buildProof({
    ...{ section, custodian, asset, leaf, siblings },
    header: forged,
    txHash: null,
  });
  const files = { EARLIER: saved("earlier.json", earlier), LATER: saved("later.json", later) };
  // What is true contradicts nothing.
  await expect(
    run("challenge-leaves", stranger.privateKey, { ...files, LATER: files.EARLIER }),
  ).rejects.toMatchObject(SHOWS_NOTHING);
  expect(await run("challenge-leaves", stranger.privateKey, files)).toMatch(
    /^epoch 2 and all after it are dropped: /,
  );
  expect([await contracts.lastCommitted(), await contracts.isVetoed(headerHash(forged))]).toEqual([1n, true]);
});

it("shows a sum that is not its root's", async () => {
  const proof = await proofOf("two");
  const { sum } = proof.header.sections[1] ?? { sum: 0n };
  await expect(
    run("challenge-node", stranger.privateKey, { LATER: saved("true.json", proof) }),
  ).rejects.toMatchObject({
    ...SHOWS_NOTHING,
    stdout: `locks of epoch 1: the leaves under the root come to ${sum}, the header says ${sum}: there is nothing to show\n`,
  });
  const header = await commitForged(proof.header, { sum: sum - 1n });
  const { section, custodian, asset, leaf, siblings } = proof;
  const later = buildProof({ section, custodian, asset, leaf, siblings, header, txHash: null });
  const out = await run("challenge-node", stranger.privateKey, { LATER: saved("forged.json", later) });
  expect(out).toContain(
    `locks of epoch 2: the leaves under the root come to ${sum}, the header says ${sum - 1n}\nepoch 2 and all after it are dropped`,
  );
  expect([await contracts.lastCommitted(), await contracts.isVetoed(headerHash(header))]).toEqual([1n, true]);
});

it("says that nothing is pending in a frozen book, whatever was", async () => {
  expect(await run("pending", stranger.privateKey)).toMatch(/^epoch 1 /);
  await freezeBook(world.chain, world.record);
  expect(await run("pending", stranger.privateKey)).toMatch(
    /^nothing is pending: the book is frozen, and epoch 0 stays the last final one\nblock \d+, .*\n$/,
  );
});
