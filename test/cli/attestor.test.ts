/** What an attester signs, by what it has signed: over restarts, with a node that says the book went back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { expect, it } from "vitest";
import type { DeploymentRecord } from "#infra";
import { Attestor } from "../../src/cli/attest/attestor.ts";

const wallet = new Wallet(`0x${"a1".repeat(32)}`);
const record = { chain_id: 31_337, registry: `0x${"5f".repeat(20)}` } as DeploymentRecord;
const [one, other] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`] as const;

it("signs no number again that was final, whatever a node says of it later", async () => {
  const folder = await mkdtemp(join(tmpdir(), "anchorbook-attestor-"));
  const open = () => Attestor.open(folder, wallet, record);
  const vetoed = async () => true;
  const first = await open();
  await first.sign(5n, one, vetoed);
  await first.settle(5n);
  for (const attestor of [first, await open()]) {
    await attestor.settle(3n);
    for (const header of [one, other])
      await expect(attestor.sign(5n, header, vetoed)).rejects.toThrow("epoch 5 is final already");
  }
  await first.sign(6n, other, vetoed);
  await rm(folder, { recursive: true });
});
