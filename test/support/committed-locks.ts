/** A book on a real chain with one committed epoch of three locks, and the proof of the last: without ledger or database. */
import { type Chain, commitCalldata, contractArtifact, type DeploymentRecord, NO_HEADER } from "#infra";
import {
  buildProof,
  type Header,
  type Hex,
  headerHash,
  type Leaf,
  leafDomain,
  type ProofDocumentJson,
  parseProof,
  positionKey,
  proofToJson,
  SECTIONS,
  SumTree,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "#proof";
import { mined } from "./mined.ts";
import { type SignedJournal, signedJournal } from "./signed-journal.ts";

const TST = 10n ** 18n;
const EMPTY = { root: ZERO_WORD, sum: 0n, count: 0n } as const;

export interface CommittedLocks {
  readonly header: Header;
  /** Of `user_c`'s lock of 10 TST until 2027-01-15, index 2 of 3. */
  readonly proof: ProofDocumentJson;
  /** Whose root and size are the header's. */
  readonly journal: SignedJournal;
}

/** The epoch is committed and not final yet. */
export async function commitLocks(chain: Chain, record: DeploymentRecord): Promise<CommittedLocks> {
  const section = "locks";
  const custodian = record.custodians.locks as Hex;
  const asset = record.token as Hex;
  const domain = leafDomain({ chainId: chain.chainId, custodian, token: asset, section });
  const openings = ["a", "b", "c"].map((name) => ({
    salt: `0x${"5a".repeat(32)}` as const,
    parts: [`user_${name}`, "agreement"],
  }));
  const leaves = openings.map(
    (opening, index): Leaf => ({
      index: BigInt(index),
      owner: ZERO_ADDRESS,
      key: positionKey(opening),
      amount: 10n * TST,
      validUntil: 1_800_000_000n,
      kind: 1,
      quantity: 0,
    }),
  );
  const view = new SumTree(domain).apply(1n, leaves);
  const journal = signedJournal(9);
  const block = await chain.provider.getBlock("latest");
  const header: Header = {
    version: 1,
    chainId: chain.chainId,
    registry: record.registry.toLowerCase() as Hex,
    epoch: 1n,
    previous: ZERO_WORD,
    sections: SECTIONS.map((name) =>
      name === section ? { root: view.root, sum: view.sum, count: view.count } : EMPTY,
    ),
    journalRoot: journal.tree.rootAt(9n),
    journalSize: 9n,
    depositSeq: 0n,
    dataHash: `0x${"22".repeat(32)}`,
    closedAt: BigInt(block?.timestamp ?? 0),
  };
  const txHash = await sendToRegistry(chain, record, commitCalldata(NO_HEADER, header));
  const proof = buildProof({
    ...{ header, section, custodian, asset, txHash },
    leaf: leaves[2] as Leaf,
    siblings: view.proof(2n),
    opening: openings[2],
  });
  return { header, proof: proofToJson(proof), journal };
}

/** @returns the hash of the mined transaction */
export async function sendToRegistry(chain: Chain, record: DeploymentRecord, data: string): Promise<Hex> {
  return (await mined(chain.signer?.sendTransaction({ to: record.registry, data }))).hash as Hex;
}

/** The next epoch, with the same trees, committed and not final; the proof of the same position in it. */
export async function commitNext(
  chain: Chain,
  record: DeploymentRecord,
  { header, proof }: CommittedLocks,
): Promise<ProofDocumentJson> {
  const next = { ...header, epoch: header.epoch + 1n, previous: headerHash(header) };
  const txHash = await sendToRegistry(chain, record, commitCalldata(header, next));
  const { opening, leaf, siblings, section, custodian, asset } = parseProof(proof);
  return proofToJson(
    buildProof({ header: next, section, custodian, asset, leaf, siblings, opening, txHash }),
  );
}

/** As the escrow does it for a demand that nobody served. */
export async function freezeBook(chain: Chain, { custodians, registry }: DeploymentRecord): Promise<void> {
  const escrow = custodians.locks;
  const data = contractArtifact("SettlementRegistry").abi.encodeFunctionData("freeze");
  const send = (method: string, params: unknown[]) => chain.provider.send(method, params);
  await send("anvil_setBalance", [escrow, "0xde0b6b3a7640000"]);
  await send("anvil_impersonateAccount", [escrow]);
  const hash = await send("eth_sendTransaction", [{ from: escrow, to: registry, data }]);
  await mined({ provider: chain.provider, hash });
}
