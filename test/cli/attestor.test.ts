/** What an attester signs, by what it has signed: over restarts, with a node that says the book went back. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DeploymentRecord } from "#infra";
import { Attestor } from "../../src/cli/attest/attestor.ts";

const wallet = new Wallet(`0x${"a1".repeat(32)}`);
const record = { chain_id: 31_337, registry: `0x${"5f".repeat(20)}` } as DeploymentRecord;
const [one, other] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`] as const;
const vetoed = async () => true;
const standing = async () => false;

let folder: string;
const open = () => Attestor.open(folder, wallet, record);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "anchorbook-attestor-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("signs no number again that was final, whatever a node says of it later", async () => {
  const first = await open();
  await first.sign(5n, one, vetoed);
  await first.settle(5n);
  for (const attestor of [first, await open()]) {
    await attestor.settle(3n);
    for (const header of [one, other])
      await expect(attestor.sign(5n, header, vetoed)).rejects.toThrow("epoch 5 is final already");
  }
  await first.sign(6n, other, vetoed);
});

it("signs nothing with a file in which any byte was changed, added or left out", async () => {
  const path = join(folder, "attestations.json");
  const attestor = await open();
  await attestor.sign(5n, one, vetoed);
  await attestor.sign(6n, other, vetoed);
  const whole = await readFile(path, "utf8");
  const changed = (at: number) => {
    const instead = whole[at] === "1" ? "2" : "1";
    return whole.slice(0, at) + instead + whole.slice(at + 1);
  };
  const damaged = [
    ...[...whole].map((_, at) => changed(at)),
    ...[whole.slice(0, -1), `${whole}\n`, "", "{}", "null"],
    JSON.stringify(JSON.parse(whole)),
    whole.replace(/\s*"sha256": ".*",/, ""),
    whole
      .replace(/\s*"sha256": ".*",/, "")
      .replace("attestations/2", "attestations/1")
      .replace("01", "x1"),
  ];
  expect(new Set(damaged).has(whole)).toBe(false);
  for (const text of damaged) {
    await writeFile(path, text);
    await expect(open(), text).rejects.toThrow(/is damaged: .*nothing more is signed with this key/);
  }
  await writeFile(path, whole);
  expect((await open()).has(5n, one)).toBe(true);
});

it("takes a file of the format without a digest once, and gives it one", async () => {
  const path = join(folder, "attestations.json");
  const old = {
    ...{ format: "anchorbook-attestations/1", chain_id: record.chain_id, registry: record.registry },
    ...{ attester: wallet.address.toLowerCase(), signed: [{ epoch: "7", header_hash: one }], settled: "4" },
  };
  await writeFile(path, `${JSON.stringify(old, null, 2)}\n`);
  const attestor = await Attestor.open(folder, wallet, record);
  expect([attestor.has(7n, one), attestor.has(7n, other)]).toEqual([true, false]);
  const { format, sha256, ...kept } = JSON.parse(await readFile(path, "utf8"));
  expect([format, sha256]).toEqual(["anchorbook-attestations/2", expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect({ ...kept, format: old.format }).toEqual(old);
  await expect(attestor.sign(4n, one, vetoed)).rejects.toThrow("epoch 4 is final already");
  const again = await Attestor.open(folder, wallet, record);
  await expect(again.sign(7n, other, async () => false)).rejects.toThrow("epoch 7 is signed already");
});

it("knows after a crash what it has signed, and signs another header only where that was vetoed", async () => {
  const signature = await (await open()).sign(5n, one, standing);
  const next = await open();
  await expect(next.sign(5n, other, standing)).rejects.toThrow(
    `epoch 5 is signed already with the header ${one}`,
  );
  expect(await next.sign(5n, one, standing)).toBe(signature);
  await next.sign(5n, other, vetoed);
  expect((await open()).has(5n, other)).toBe(true);
});

it("gives no signature that is not on disk, also where it is asked for again", async () => {
  const attestor = await open();
  await rm(folder, { recursive: true });
  for (let time = 0; time < 2; time++)
    await expect(attestor.sign(5n, one, standing)).rejects.toThrow("ENOENT");
  await mkdir(folder);
  await attestor.sign(5n, one, standing);
  expect((await open()).has(5n, one)).toBe(true);
});

it("leaves the file of another attester, registry or chain alone", async () => {
  await (await open()).sign(5n, one, standing);
  const chain = { ...record, chain_id: 1 };
  const registry = { ...record, registry: `0x${"60".repeat(20)}` };
  for (const [key, book] of [
    [new Wallet(`0x${"b2".repeat(32)}`), record],
    [wallet, chain],
    [wallet, registry],
  ] as const)
    await expect(Attestor.open(folder, key, book)).rejects.toThrow("use another --state folder");
});
