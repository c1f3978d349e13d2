/**
 * What the chain says of a proof: the same chain, a registry there, this header
 * anchored for this epoch, the leaf in it by the registry's own computation, and
 * whether the epoch is final. It reads only, and neither database nor server.
 */
import { Book, type Chain, connectChain, contractAt } from "#infra";
import { type ProofDocument, SECTIONS } from "#proof";
import type { Check } from "#verifier";

/**
 * The checks `chain`, then where it holds `contract`, `custodian`, `anchored`, `transaction`,
 * `on_chain`, `finality`. What cannot be
 * asked (no answer, logs refused) is a check that failed. Being committed but not final is no failure; the detail of
 * `finality` says which.
 */
export async function checkOnChain(proof: ProofDocument, rpcUrl: string): Promise<Check[]> {
  let chain: Chain;
  try {
    chain = await connectChain({ rpcUrl });
  } catch (error) {
    return [{ name: "chain", ok: false, detail: reasonOf(error) }];
  }
  try {
    return await askChain(proof, chain);
  } finally {
    chain.close();
  }
}

async function askChain(proof: ProofDocument, chain: Chain): Promise<Check[]> {
  if (chain.chainId !== proof.chainId)
    return [
      {
        name: "chain",
        ok: false,
        detail: `the RPC is of chain ${chain.chainId}, the proof of ${proof.chainId}`,
      },
    ];
  const checks: Check[] = [{ name: "chain", ok: true, detail: `chain ${chain.chainId}` }];
  const ask = async (name: string, question: () => Promise<Omit<Check, "name">>): Promise<boolean> => {
    const check = await question().catch((error: unknown) => ({ ok: false, detail: reasonOf(error) }));
    checks.push({ name, ...check });
    return check.ok;
  };
  const book = bookOf(proof, chain);
  if (!(await ask("contract", () => hasContract(proof, chain)))) return checks;
  await ask("custodian", () => hasCustodian(proof, chain));
  if (!(await ask("anchored", () => isAnchored(proof, book)))) return checks;
  await ask("transaction", () => committedThere(proof, chain));
  await ask("on_chain", () => isInTree(proof, book));
  await ask("finality", () => finality(proof, book));
  return checks;
}

/** The book as far as the proof names it; only its registry is asked. */
function bookOf(proof: ProofDocument, chain: Chain): Book {
  const { custodian, registry, asset } = proof;
  return new Book(chain, {
    chain_id: Number(proof.chainId),
    registry,
    token: asset,
    custodians: {
      balances: custodian,
      locks: custodian,
      stakes: custodian,
      compute: custodian,
      payouts: custodian,
    },
    deployed_block: 0,
  });
}

async function hasContract(proof: ProofDocument, chain: Chain): Promise<Omit<Check, "name">> {
  const ok = (await chain.provider.getCode(proof.registry)) !== "0x";
  return { ok, detail: `${ok ? "a contract" : "no contract"} at ${proof.registry}` };
}

async function hasCustodian(proof: ProofDocument, chain: Chain): Promise<Omit<Check, "name">> {
  const registry = contractAt(chain, "SettlementRegistry", proof.registry);
  const token = ((await registry.getFunction("token")()) as string).toLowerCase();
  const custodian = (await registry.getFunction("custodianOf")(SECTIONS.indexOf(proof.section))) as string;
  const ok = token === proof.asset && custodian.toLowerCase() === proof.custodian;
  return {
    ok,
    detail: ok
      ? `${proof.custodian} holds ${proof.section} of ${proof.asset}`
      : `the registry names custodian ${custodian.toLowerCase()} of token ${token}, the proof ${proof.custodian} of ${proof.asset}`,
  };
}

async function isAnchored(proof: ProofDocument, book: Book): Promise<Omit<Check, "name">> {
  const anchored = await book.headerHashOf(proof.epoch);
  if (anchored !== null)
    return {
      ok: anchored === proof.headerHash,
      detail:
        anchored === proof.headerHash
          ? `the registry holds this header for epoch ${proof.epoch}`
          : `the registry holds ${anchored} for epoch ${proof.epoch}, the proof names ${proof.headerHash}`,
    };
  const finalized = await book.readFinalized(proof.epoch);
  if (!finalized) return { ok: false, detail: `epoch ${proof.epoch} is not committed` };
  return {
    ok: finalized.headerHash === proof.headerHash,
    detail:
      finalized.headerHash === proof.headerHash
        ? `epoch ${proof.epoch} has left the registry's ring; its finalizing event names this header`
        : `the finalizing event of epoch ${proof.epoch} names ${finalized.headerHash}`,
  };
}

/** The transaction that the proof names is the one that committed this header. */
async function committedThere(proof: ProofDocument, chain: Chain): Promise<Omit<Check, "name">> {
  if (proof.txHash === null) return { ok: true, detail: "the proof names none" };
  const receipt = await chain.provider.getTransactionReceipt(proof.txHash);
  const ok =
    receipt?.logs.some(
      ({ address, topics }) => address.toLowerCase() === proof.registry && topics.includes(proof.headerHash),
    ) ?? false;
  const said = receipt ? "does not commit this header" : "is not known to the chain";
  return { ok, detail: `${proof.txHash} ${ok ? "committed this header" : said}` };
}

async function isInTree(proof: ProofDocument, book: Book): Promise<Omit<Check, "name">> {
  if ((await book.headerHashOf(proof.epoch)) === null)
    return {
      ok: true,
      detail: "not asked: the registry answers for epochs in its ring; the header's hash binds the rest",
    };
  const ok = await book.verifyIn(proof.header, proof.section, proof.leaf, proof.siblings);
  return { ok, detail: ok ? "verifyIn: the leaf is in the tree" : "verifyIn: the leaf is not in the tree" };
}

async function finality(proof: ProofDocument, book: Book): Promise<Omit<Check, "name">> {
  const lastFinal = await book.lastFinal();
  return {
    ok: true,
    detail:
      proof.epoch <= lastFinal
        ? `epoch ${proof.epoch} is final`
        : `epoch ${proof.epoch} is committed and not final yet; the last final one is ${lastFinal}`,
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown failure";
}
