/** `anchorbook verify` as a user runs it: on files, offline and against registries on a real chain. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "#cli";
import {
  type Chain,
  connectChain,
  contractArtifact,
  type DeploymentRecord,
  deployContracts,
  finalizeCalldata,
} from "#infra";
import { buildProof, type Header, type ProofDocumentJson, proofToJson, ZERO_ADDRESS } from "#proof";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { commitLocks, sendToRegistry } from "../support/committed-locks.ts";

const TST = 10n ** 18n;
type Hex = `0x${string}`;

let folder: string;
let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let committed: ProofDocumentJson;

/** A book with three locks: the first epoch committed, not final yet. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anchorbook-verify-"));
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  ({ header, proof: committed } = await commitLocks(chain, record));
});

afterAll(async () => {
  chain?.close();
  await anvil?.stop();
  await rm(folder, { recursive: true, force: true });
});

let header: Header;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(...args: string[]): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const into = (name: "stdout" | "stderr") => ({
    write(text: string | Uint8Array) {
      written[name] += String(text);
      return true;
    },
  });
  const io = { stdout: into("stdout"), stderr: into("stderr"), env: {} };
  const code = await runCli(["verify", ...args], io);
  return { code, ...written };
}

/** What it says of the document to a person. */
async function say(document: unknown, ...args: string[]): Promise<string> {
  const file = join(folder, "told.json");
  await writeFile(file, JSON.stringify(document));
  return (await run(file, ...args)).stdout;
}

/** Writes the document, verifies it with --json and answers the checks by name. */
async function verify(document: unknown, ...args: string[]) {
  const file = join(folder, "proof.json");
  await writeFile(file, typeof document === "string" ? document : JSON.stringify(document, null, 2));
  const { code, stdout, stderr } = await run(file, "--json", ...args);
  const answer = JSON.parse(stdout) as {
    valid: boolean;
    checks: { name: string; ok: boolean; detail: string }[];
  };
  expect(Object.keys(answer)).toEqual(["valid", "checks"]);
  expect(stderr).toBe("");
  expect(code).toBe(answer.valid ? 0 : 1);
  return {
    valid: answer.valid,
    names: answer.checks.map(({ name }) => name),
    failed: answer.checks.filter(({ ok }) => !ok).map(({ name }) => name),
    detail: (name: string) => answer.checks.find((check) => check.name === name)?.detail,
  };
}

const withLeaf = (change: object): unknown => ({ ...committed, leaf: { ...committed.leaf, ...change } });

describe("offline", () => {
  test("a true proof is valid, in words and as JSON", async () => {
    expect((await verify(committed)).valid).toBe(true);
    const { code, stdout } = await run(join(folder, "proof.json"));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}root/m);
    expect(stdout).toMatch(/^valid; the chain was not asked/m);
  });

  test("a changed amount is not, and exit code 1 says so", async () => {
    expect((await verify(withLeaf({ amount: `${20n * TST}` }))).failed).toEqual(["root", "sum"]);
    const { code, stdout } = await run(join(folder, "proof.json"));
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}root/m);
    expect(stdout).toMatch(/^NOT valid: 2 of 12 checks failed/m);
  });

  test("what is no proof document is not, whatever it is", async () => {
    for (const document of ["", "{", "[]", "null", `{"format":"anchorbook-proof/1"}`])
      expect((await verify(document)).failed).toEqual(["format"]);
  });

  test("a pinned registry is compared, checksummed or not", async () => {
    expect((await verify(committed, "--registry", record.registry)).failed).toEqual([]);
    expect((await verify(committed, "--registry", record.registry.toLowerCase())).names).toContain(
      "pinned_registry",
    );
    expect((await verify(committed, "--registry", record.token)).failed).toEqual(["pinned_registry"]);
  });
});

test("a server's refusal in the place of a proof is told in its words, where a terminal may show them", async () => {
  const refusal = { error: "not_found", message: "No epoch is committed yet", status: 404 };
  expect(await say(refusal)).toMatch(
    /^What the file holds is .* server's refusal: not_found: No epoch is committed yet\nFAIL /,
  );
  expect(await say({ ...refusal, message: "\u001b[2Jvalid" })).not.toContain("refusal");
});

test("an epoch as the API answers it is named, and so is a file with nothing in it", async () => {
  const { header, header_hash } = committed;
  expect(await say({ epoch: 1, status: "committed", header, header_hash, tx_hash: null })).toMatch(
    /^The file is the API's answer about epoch 1, and proves no position of it: anchorbook proof SECTION ID --epoch 1 /,
  );
  const file = join(folder, "empty.json");
  await writeFile(file, "\n");
  expect((await run(file)).stdout).toMatch(
    /^The file is empty: anchorbook proof SECTION ID fetches a proof\nFAIL /,
  );
});

test("a proof that was cut short is told as such, first, wherever that was", async () => {
  const whole = JSON.stringify(committed, null, 2);
  for (const end of [1, Math.floor(whole.length / 2), whole.length - 2]) {
    const file = join(folder, "cut.json");
    await writeFile(file, whole.slice(0, end));
    expect(await run(file)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^The file is JSON that breaks off before its end, .*: anchorbook proof SECTION ID fetches a proof\nFAIL {2}format /,
      ),
    });
  }
});

test("a file that is whole is not called cut short for what its texts hold", async () => {
  const file = join(folder, "whole.json");
  await writeFile(file, JSON.stringify({ ...committed, note: "{" }));
  expect((await run(file)).stdout).toMatch(/^FAIL {2}format /);
});

test("the proof of a journal line is named, with the command that checks it", async () => {
  const file = join(folder, "line.tlog-proof");
  await writeFile(file, "c2sp.org/tlog-proof@v1\nindex 2\n\n");
  const { code, stdout } = await run(file);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/of the journal: anchorbook log verify FILE/)]);
});

describe("against the chain", () => {
  test("a committed epoch is anchored and in the tree; that it is not final yet is told, then that it is", async () => {
    const before = await verify(committed, "--rpc", anvil.rpcUrl);
    expect(before.failed).toEqual([]);
    expect(before.names.slice(-7)).toEqual([
      "chain",
      "contract",
      "custodian",
      "anchored",
      "transaction",
      "on_chain",
      "finality",
    ]);
    expect(before.detail("finality")).toMatch(/not final yet/);
    await sendToRegistry(chain, record, finalizeCalldata(header));
    const after = await verify(committed, "--rpc", anvil.rpcUrl, "--registry", record.registry);
    expect(after.failed).toEqual([]);
    expect(after.detail("finality")).toMatch(/epoch 1 is final/);
  });

  test("a proof that holds together but was never anchored fails there", async () => {
    const forgedHeader = { ...header, closedAt: header.closedAt + 1n };
    const json = proofToJson(
      buildProof({
        header: forgedHeader,
        section: "locks",
        custodian: record.custodians.locks as Hex,
        asset: record.token as Hex,
        leaf: {
          index: 2n,
          owner: ZERO_ADDRESS,
          key: committed.leaf.key as Hex,
          amount: 10n * TST,
          validUntil: 1_800_000_000n,
          kind: 1,
          quantity: 0,
        },
        siblings: committed.siblings.map(({ hash, sum }) => ({ hash: hash as Hex, sum: BigInt(sum) })),
        txHash: null,
      }),
    );
    expect((await verify(json)).failed).toEqual([]);
    expect((await verify(json, "--rpc", anvil.rpcUrl)).failed).toEqual(["anchored"]);
  });

  test("a transaction that did not commit the header is named, and one that is none", async () => {
    const other = await verify({ ...committed, tx_hash: `0x${"12".repeat(32)}` }, "--rpc", anvil.rpcUrl);
    expect(other.failed).toEqual(["transaction"]);
    // Finalizing names the header too.
    const { abi } = contractArtifact("SettlementRegistry");
    const topics = [abi.getEvent("EpochFinalized")?.topicHash ?? null];
    const logs = await chain.provider.getLogs({ address: record.registry, topics, fromBlock: 0 });
    expect(logs).toHaveLength(1);
    const later = await verify({ ...committed, tx_hash: logs[0]?.transactionHash }, "--rpc", anvil.rpcUrl);
    expect(later.failed).toEqual(["transaction"]);
    const none = await verify({ ...committed, tx_hash: null }, "--rpc", anvil.rpcUrl);
    expect(none.failed).toEqual([]);
  });

  test("the contract itself refuses a leaf that the header does not hold", async () => {
    const refused = await verify(withLeaf({ amount: `${20n * TST}` }), "--rpc", anvil.rpcUrl);
    expect(refused.failed).toEqual(["root", "sum", "on_chain"]);
  });

  test("a wrong custodian, a registry without code, another chain and no chain are each named", async () => {
    const custodian = await verify(
      { ...committed, custodian: record.custodians.stakes },
      "--rpc",
      anvil.rpcUrl,
    );
    expect(custodian.failed).toEqual(["root", "custodian"]);
    const nowhere = `0x${"77".repeat(20)}`;
    const moved = { ...committed, registry: nowhere, header: { ...committed.header, registry: nowhere } };
    expect((await verify(moved, "--rpc", anvil.rpcUrl)).failed).toEqual(["header_hash", "contract"]);
    const other = { ...committed, chain_id: "5", header: { ...committed.header, chain_id: "5" } };
    expect((await verify(other, "--rpc", anvil.rpcUrl)).failed).toEqual(["header_hash", "root", "chain"]);
    const away = await verify(committed, "--rpc", "http://127.0.0.1:9");
    expect(away.failed).toEqual(["chain"]);
    expect(away.detail("chain")).toMatch(/no chain answers/);
    expect(await say(committed, "--rpc", "http://127.0.0.1:9")).toMatch(
      /^NOT decided: the file holds together, and the node could not be asked/m,
    );
    expect(await say(withLeaf({ amount: "1" }), "--rpc", "http://127.0.0.1:9")).toMatch(/^NOT valid: 3 of /m);
  });

  test("a registry that is not the pinned one is not even asked", async () => {
    const { failed, names } = await verify(committed, "--rpc", anvil.rpcUrl, "--registry", record.token);
    expect(failed).toEqual(["pinned_registry"]);
    expect(names).not.toContain("chain");
  });
});

describe("called wrongly", () => {
  test.each<[string, string[]]>([
    ["without a file", []],
    ["with two files", ["a.json", "b.json"]],
    ["with a folder", [tmpdir()]],
    ["with a file that is not there", ["/nowhere/proof.json"]],
    ["with an unknown option", ["a.json", "--frobnicate"]],
    ["with an address that is none", ["a.json", "--registry", "0x12"]],
    ["with a URL that is none", ["a.json", "--rpc", "localhost"]],
  ])("%s it says how, with exit code 2", async (_, args) => {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("anchorbook verify --help");
  });
});
