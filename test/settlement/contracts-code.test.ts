/** Audits and attesters of books whose contracts are not ours, though all that they answer agrees; and how often nodes are asked for it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chain, checkDeployment, connectChain, type DeploymentRecord, deployContracts } from "#infra";
import { AuditState } from "../../src/cli/audit/audit-state.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { deployForged, withBackDoor } from "../support/forged-contracts.ts";
import { startLyingApi, startLyingNode } from "../support/lying-proxy.ts";
import { serveBook } from "../support/written-book/serve-book.ts";
import { WrittenBook } from "../support/written-book/written-book.ts";
import { type AuditAnswer, cli } from "./audit-world.ts";

let anvil: Anvil;
let chain: Chain;
let honest: { readonly record: DeploymentRecord; readonly api: string };
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  anvil = await startAnvil();
  ends.push(() => anvil.stop());
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  ends.push(() => chain.close());
  honest = await openBook(await deployContracts(chain, { windowSeconds: 0, attesters: [] }));
});
afterAll(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anchorbook-code-"));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Its journal, leaves and epochs are honest. */
async function openBook(record: DeploymentRecord) {
  const book = new WrittenBook(folder(), chain, record, { lines: 0, epochs: 0, users: 8, seed: 5 });
  await book.writeEpoch(40);
  const served = await serveBook(book);
  ends.push(() => served.close());
  return { record, api: served.url };
}

const found = (checks: AuditAnswer["checks"], name: string) => checks.find((check) => check.name === name);

async function audit(
  { record, api }: typeof honest,
  ...args: string[]
): Promise<AuditAnswer & { code: number }> {
  const rpc = args.includes("--rpc") ? [] : ["--rpc", anvil.rpcUrl];
  const { code, out, err } = await cli(
    ...["audit", "--json", "--api", api, "--registry", record.registry, ...rpc, ...args],
  );
  if (out === "") throw new Error(err);
  return { code, ...(JSON.parse(out) as AuditAnswer) };
}

describe("a book whose vault has a back door", () => {
  let doctored: typeof honest;
  const attester = Wallet.createRandom();

  beforeAll(async () => {
    const forge = { SettlementVault: withBackDoor };
    doctored = await openBook(await deployForged(chain, { forge, attesters: [attester.address] }));
    // Nothing that its contracts answer gives it away.
    await checkDeployment(chain, doctored.record);
  });

  it("fails its audit, before anything is believed, and says what that means", async () => {
    const { code, checks } = await audit(doctored);
    expect(code).toBe(1);
    expect(checks.map(({ name }) => name)).toEqual(["code"]);
    expect(checks[0]?.detail).toMatch(
      new RegExp(
        `^the SettlementVault at ${doctored.record.custodians.balances} cannot be trusted: transaction 0x\\w{64} of block \\d+, ` +
          "which created it, does not hold the code of this version of Anchorbook. " +
          "A book of another version of Anchorbook is audited by that version; of any other contract no answer can be believed$",
        "i",
      ),
    );
    const human = await cli(
      ...["audit", "--api", doctored.api, "--registry", doctored.record.registry, "--rpc", anvil.rpcUrl],
    );
    expect(human.out).toMatch(/^FAIL {2}code {10}the SettlementVault at .*\nNOT valid: /);
  });

  it("gets no attester's signature", async () => {
    const state = folder();
    const keyFile = join(state, "key");
    writeFileSync(keyFile, attester.privateKey, { mode: 0o600 });
    const { code, out } = await cli(
      ...["attest", "--api", doctored.api, "--registry", doctored.record.registry, "--rpc", anvil.rpcUrl],
      ...["--state", state, "--key-file", keyFile],
    );
    expect(code).toBe(1);
    expect(out).toMatch(/NOT valid, nothing is signed: the SettlementVault at .* cannot be trusted/);
  });
});

describe("an honest book", () => {
  it("is found to be of this version's code, and who rules it is said", async () => {
    const { code, checks } = await audit(honest);
    expect(code).toBe(0);
    const { deployed_block } = honest.record;
    expect(found(checks, "code")?.detail).toMatch(
      new RegExp(
        `^6 contracts created by this version's code in blocks ${deployed_block - 5} to ${deployed_block}; window 0 s`,
      ),
    );
  });

  it("is looked at again only while the chain may change, and by another version", async () => {
    let blocks = 0;
    const node = await startLyingNode(anvil.rpcUrl, (method, [, whole], result) => {
      if (method === "eth_getBlockByNumber" && whole === true) blocks++;
      return result;
    });
    ends.push(() => node.close());
    const state = folder();
    const asked = async (depth: string) => {
      blocks = 0;
      const { code, checks } = await audit(
        honest,
        ...["--rpc", node.url, "--state", state, "--finality-depth", depth],
      );
      expect(code).toBe(0);
      return [blocks, found(checks, "code")?.detail];
    };
    const [first, detail] = await asked("1000000");
    expect(first).toBe(6);
    expect(await asked("1")).toEqual([6, detail]);
    expect(await asked("1")).toEqual([0, detail]);
    const kept = await AuditState.load(state);
    if (!kept?.code) throw new Error("nothing is kept");
    kept.code = { ...kept.code, digest: "0x" };
    await kept.save(state);
    expect(await asked("1")).toEqual([6, detail]);
    expect(await asked("1")).toEqual([0, detail]);
  });

  it("is shown false by an API that names another block, and by no node that has forgotten the block", async () => {
    const names = async (deployed_block: unknown) => {
      const liar = await startLyingApi(honest.api, (path, body) =>
        path === "/api/v1/settlement/contracts"
          ? JSON.stringify({ ...(JSON.parse(body) as object), deployed_block })
          : body,
      );
      ends.push(() => liar.close());
      return audit({ ...honest, api: liar.url });
    };
    const { deployed_block } = honest.record;
    const head = await chain.provider.getBlockNumber();
    await chain.provider.send("anvil_mine", [`0x${(deployed_block + 65 + 63 - head).toString(16)}`]);
    // Blocks that young may still be exchanged.
    const young = await names(deployed_block + 65);
    expect(young).toMatchObject({ code: 1, checks: [{ name: "readable", ok: false }] });
    await chain.provider.send("anvil_mine", ["0x1"]);
    const wrong = await names(deployed_block + 65);
    expect(wrong).toMatchObject({ code: 1, checks: [{ name: "code", ok: false }] });
    expect(young.checks[0]?.detail).toBe(wrong.checks[0]?.detail);
    expect(wrong.checks[0]?.detail).toMatch(
      /no transaction around block \d+, in which it is said to have been deployed, created it/,
    );
    for (const block of [null, -1, 1.5, "6"])
      expect(await names(block)).toMatchObject({ code: 1, checks: [{ name: "contracts", ok: false }] });

    const pruned = await startLyingNode(anvil.rpcUrl, (method, [, whole], result) =>
      method === "eth_getBlockByNumber" && whole === true ? null : result,
    );
    ends.push(() => pruned.close());
    const { code, checks } = await audit(honest, "--rpc", pruned.url);
    expect(code).toBe(1);
    expect(checks).toMatchObject([{ name: "readable", ok: false }]);
    expect(checks[0]?.detail).toContain("that takes a node that serves the blocks up to");
  });

  it("is not shown by two nodes of which one tells another transaction", async () => {
    const liar = await startLyingNode(anvil.rpcUrl, (method, [, whole], result) => {
      if (method !== "eth_getBlockByNumber" || whole !== true || result === null) return result;
      const block = result as { readonly transactions: readonly { readonly input: string }[] };
      return {
        ...block,
        transactions: block.transactions.map((one) => ({ ...one, input: `${one.input}00` })),
      };
    });
    ends.push(() => liar.close());
    const both = ["--rpc", anvil.rpcUrl, "--rpc", liar.url, "--finality-depth", "1"];
    const { code, checks } = await audit(honest, ...both);
    expect(code).toBe(1);
    expect(checks).toMatchObject([{ name: "rpcs", ok: false }]);
    expect(checks[0]?.detail).toMatch(
      /^what created the SettlementRegistry at 0x\w{40}: .* says 0x.*, .* says 0x/,
    );
  });
});
