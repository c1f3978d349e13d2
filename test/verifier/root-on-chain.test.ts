/** Which journal roots a registry holds: those of epochs that stand, and of no other that was ever committed. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Chain,
  commitCalldata,
  connectChain,
  contractArtifact,
  type DeploymentRecord,
  deployContracts,
} from "#infra";
import { type Header, type Hex, headerHash } from "#proof";
import { verifyRootOnChain } from "#verifier";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { commitLocks, sendToRegistry } from "../support/committed-locks.ts";
import { signedJournal } from "../support/signed-journal.ts";

let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let header: Header;
beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  ({ header } = await commitLocks(chain, record));
});
afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const rootOf = (text: string) => signedJournal(12, text).tree.rootAt(12n);

async function commit(text: string): Promise<Header> {
  const changed = { epoch: 2n, previous: headerHash(header), journalSize: 12n, journalRoot: rootOf(text) };
  const next = { ...header, ...changed };
  await sendToRegistry(chain, record, commitCalldata(header, next));
  return next;
}

/** The last finding, and whether all held. */
async function asked(text: string, size = 12n) {
  const registry = record.registry.toLowerCase() as Hex;
  const found = await verifyRootOnChain({ size, root: rootOf(text) }, registry, (method, params) =>
    chain.provider.send(method, [...params]),
  );
  return { valid: found.valid, epoch: found.epoch, says: found.checks.at(-1)?.detail };
}

it("holds the root of an epoch that stands, and not of one that was vetoed or of another size", async () => {
  const vetoed = await commit("vetoed");
  expect(await asked("vetoed")).toMatchObject({
    valid: true,
    epoch: 2n,
    says: expect.stringContaining("not final yet"),
  });
  expect(await asked("vetoed", 11n)).toMatchObject({ valid: false, epoch: undefined });

  const { abi } = contractArtifact("SettlementRegistry");
  await sendToRegistry(chain, record, abi.encodeFunctionData("veto", [2, headerHash(vetoed)]));
  const none = "no epoch that stands has 12 lines: take the proof for as many as one has";
  expect(await asked("vetoed")).toEqual({ valid: false, epoch: undefined, says: none });

  await commit("instead");
  expect(await asked("instead")).toMatchObject({ valid: true, epoch: 2n });
  const other = `the header of epoch 2 has the root ${rootOf("instead")} of 12 lines, the file names ${rootOf("vetoed")}`;
  expect(await asked("vetoed")).toEqual({ valid: false, epoch: undefined, says: other });
});
