/** What the verifier says of a frozen book: what was final in it is final, and nothing else ever will be. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Chain,
  connectChain,
  contractArtifact,
  type DeploymentRecord,
  deployContracts,
  finalizeCalldata,
} from "#infra";
import { type ProofDocumentJson, parseProof, ZERO_WORD } from "#proof";
import { type AskNode, verifyOnChain, verifyRootOnChain } from "#verifier";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import {
  type CommittedLocks,
  commitLocks,
  commitNext,
  freezeBook,
  sendToRegistry,
} from "../support/committed-locks.ts";

let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let first: CommittedLocks;
let pending: ProofDocumentJson;
beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  first = await commitLocks(chain, record);
  await sendToRegistry(chain, record, finalizeCalldata(first.header));
  pending = await commitNext(chain, record, first);
});
afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const ask: AskNode = (method, params) => chain.provider.send(method, [...params]);
/** The last finding, and whether all held. */
async function asked(proof: ProofDocumentJson, node = ask) {
  const { valid, checks, book } = await verifyOnChain(parseProof(proof), node);
  return { valid, frozen: (book?.frozenAt ?? 0n) > 0n, last: checks.at(-1) };
}

it("names a token that is not the registry's", async () => {
  const proof = { ...parseProof(first.proof), asset: first.header.registry };
  const { checks } = await verifyOnChain(proof, ask);
  expect(checks.find(({ name }) => name === "custodian")?.ok).toBe(false);
});

it("tells what was final from what never will be, from the moment of the freeze on", async () => {
  expect(await asked(first.proof)).toMatchObject({ valid: true, last: { detail: "epoch 1 is final" } });
  expect(await asked(pending)).toMatchObject({
    ...{ valid: true, frozen: false },
    last: { detail: "epoch 2 is committed and not final yet; the last final one is 1" },
  });

  // The state of the book is asked before the header and after it. In between the book is frozen.
  const state = contractArtifact("SettlementRegistry").abi.getFunction("lastFinal")?.selector;
  let states = 0;
  const whileFreezing: AskNode = async (method, params) => {
    const [call] = params as [{ data?: string } | undefined];
    if (method === "eth_call" && call?.data === state) states += 1;
    if (states === 2) {
      states += 1;
      await freezeBook(chain, record);
    }
    return ask(method, params);
  };
  expect(await asked(pending, whileFreezing)).toEqual({
    ...{ valid: false, frozen: true },
    last: {
      ...{ name: "finality", ok: false },
      detail: "epoch 2 was not final when the book was frozen, and never will be",
    },
  });
  expect(await asked(pending)).toEqual({
    ...{ valid: false, frozen: true },
    last: {
      ...{ name: "anchored", ok: false },
      detail: "epoch 2 will never be final: the book is frozen, and the last final one is 1",
    },
  });
  const wasFinal = { name: "finality", ok: true, detail: "epoch 1 was final when the book was frozen" };
  expect(await asked(first.proof)).toEqual({ valid: true, frozen: true, last: wasFinal });

  // So is one that has left the registry's ring: the event of its finalizing names the header.
  const inRing = contractArtifact("SettlementRegistry").abi.getFunction("headerHashOf")?.selector ?? "";
  const pastRing: AskNode = async (method, params) => {
    const [call] = params as [{ data?: string } | undefined];
    return method === "eth_call" && call?.data?.startsWith(inRing) ? ZERO_WORD : ask(method, params);
  };
  expect(await asked(first.proof, pastRing)).toEqual({ valid: true, frozen: true, last: wasFinal });
  const { valid, checks } = await verifyOnChain(
    { ...parseProof(first.proof), headerHash: parseProof(pending).headerHash },
    pastRing,
  );
  expect(valid).toBe(false);
  expect(checks.at(-1)).toEqual({
    ...{ name: "anchored", ok: false },
    detail: `the finalizing event of epoch 1 names ${first.proof.header_hash}`,
  });

  // Both epochs have the same journal; the one that stands is the first.
  const { registry } = parseProof(first.proof);
  const root = first.journal.tree.rootAt(9n);
  const found = await verifyRootOnChain({ size: 9n, root }, registry, ask);
  expect(found).toMatchObject({ valid: true, epoch: 1n });
  expect(found.checks.at(-1)).toEqual(wasFinal);
});
