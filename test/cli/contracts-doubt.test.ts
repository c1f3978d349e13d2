/** What a server's word for the block of the contracts does to somebody who leaves: it may say any number. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain, type DeploymentRecord, deployContracts } from "#infra";
import { contractsDoubt } from "../../src/cli/exit/contracts-doubt.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { deployForged, withBackDoor } from "../support/forged-contracts.ts";

let anvil: Anvil;
let chain: Chain;

beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
});
afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const doubt = (record: DeploymentRecord, deployedBlock = record.deployed_block) =>
  contractsDoubt(chain, record, { kind: "block", deployedBlock });

it("does not keep anybody from sending to contracts that are ours", async () => {
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  await chain.provider.send("anvil_mine", ["0x50"]);
  expect(await doubt(record)).toBeNull();
  for (const wrong of [65, 10_000]) {
    const found = await doubt(record, record.deployed_block + wrong);
    expect(found?.areOthers).toBe(false);
    expect(found?.text).toMatch(/created it|does not have block/);
  }
});

it("keeps from sending where it leads to what created them, and that is not our code", async () => {
  const record = await deployForged(chain, { forge: { SettlementVault: withBackDoor } });
  const found = await doubt(record);
  expect(found?.areOthers).toBe(true);
  expect(found?.text).toContain("does not hold the code of this version");
});
