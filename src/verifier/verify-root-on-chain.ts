/**
 * Whether a registry's chain of headers holds a journal root: an epoch whose
 * header has it, for so many lines. Like `verifyOnChain` it never throws.
 */
import type { Hex } from "#proof";
import type { LineProof } from "./line-proof.ts";
import { journalOf } from "./registry-calls.ts";
import { type AskNode, type BookState, RegistryReader } from "./registry-reader.ts";
import { ChainChecks, type ChainVerification, type Finding, finalityOf } from "./verify-on-chain.ts";
import { conclude } from "./verify-proof.ts";

/**
 * @param registry in lower case, as whoever asks knows it: the proof of a line names none
 * @returns the checks `contract`, `journal_root`, and where they hold `finality`
 */
export async function verifyRootOnChain(
  proof: Pick<LineProof, "size" | "root">,
  registry: Hex,
  ask: AskNode,
): Promise<ChainVerification> {
  const reader = new RegistryReader(registry, ask);
  const asked = new ChainChecks();
  let epoch: bigint | undefined;
  let book: BookState | undefined;
  const found = () => ({ ...conclude(asked.checks), book, epoch });
  const hasContract = async (): Promise<Finding> => {
    const ok = await reader.hasCode();
    return {
      ok,
      detail: `${ok ? "a contract" : "no contract"} at ${registry} on chain ${await reader.chainId()}`,
    };
  };
  if (!(await asked.ask("contract", hasContract))) return found();
  const isAnchored = async (): Promise<Finding> => {
    book = await reader.state();
    const searched = await findEpoch(reader, proof, book);
    epoch = searched.epoch;
    return { ok: epoch !== undefined, detail: searched.detail };
  };
  if (!(await asked.ask("journal_root", isAnchored))) return found();
  await asked.ask("finality", async () => {
    book = await reader.state();
    return finalityOf(epoch ?? 0n, book);
  });
  return found();
}

/** The newest epoch that stands, of this size and root. */
async function findEpoch(
  reader: RegistryReader,
  { size, root }: Pick<LineProof, "size" | "root">,
  { lastFinal }: BookState,
): Promise<{ readonly epoch?: bigint; readonly detail: string }> {
  let other: string | undefined;
  for (const { topics, data } of [...(await reader.commits())].reverse()) {
    const journal = journalOf(data);
    const [, epochWord = "", headerHash] = topics;
    if (journal?.size !== size || !/^0x[0-9a-f]{64}$/.test(epochWord)) continue;
    const epoch = BigInt(epochWord);
    const anchored =
      (await reader.headerHash(epoch)) ?? (epoch <= lastFinal ? await reader.finalizedHeader(epoch) : null);
    // Committed once, and dropped since.
    if (anchored !== headerHash) continue;
    if (journal.root === root)
      return { epoch, detail: `the header of epoch ${epoch} has this root, of ${size} lines` };
    other ??= `the header of epoch ${epoch} has the root ${journal.root} of ${size} lines, the file names ${root}`;
  }
  return { detail: other ?? `no epoch that stands has ${size} lines: take the proof for as many as one has` };
}
