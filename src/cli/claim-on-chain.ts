/**
 * Claims what was withdrawn. The server's word is not enough to use a wallet's key for: its proof is checked, here and by
 * the registry on the chain, and the transaction is built from the proof.
 */
import { type Chain, claimCalldata, connectChain, contractRefusal, sendTransaction } from "#infra";
import { type ProofDocument, parseProof } from "#proof";
import { verifyOnChain, verifyProof } from "#verifier";

export interface Transaction {
  readonly to: string;
  readonly data: string;
}

export interface ClaimOptions {
  readonly rpcUrl: string;
  /** Without it nothing is sent. */
  readonly privateKey: string | undefined;
  /** In lower case; undefined: the proof's own. */
  readonly registry: string | undefined;
  /** Who is to be paid. */
  readonly wallet: string;
}

/**
 * @param document the proof as the server answers it
 * @throws Error where proof or chain do not hold, or the vault refuses
 */
export async function claimOnChain(
  { rpcUrl, privateKey, ...wanted }: ClaimOptions,
  document: unknown,
): Promise<{ transaction: Transaction; txHash: string | null }> {
  const chain = await connectChain({ rpcUrl, privateKey });
  try {
    const proof = await checkedProof(chain, document, wanted);
    const transaction = transactionOf(proof);
    return { transaction, txHash: chain.signer ? await send(chain.signer, transaction) : null };
  } finally {
    chain.close();
  }
}

/** @throws Error with the first thing that is wrong with it */
async function checkedProof(
  chain: Chain,
  document: unknown,
  { registry, wallet }: Pick<ClaimOptions, "registry" | "wallet">,
): Promise<ProofDocument> {
  const offline = verifyProof(document);
  const wrong = offline.checks.find(({ ok }) => !ok);
  if (wrong) throw new Error(`the server's proof does not hold: ${wrong.detail}`);
  const proof = parseProof(document);
  if (proof.section !== "payouts") throw new Error(`the server's proof is of ${proof.section}`);
  if (proof.leaf.owner !== wallet.toLowerCase())
    throw new Error(`the server's proof pays ${proof.leaf.owner}, and not ${wallet}`);
  if (registry !== undefined && proof.registry !== registry)
    throw new Error(`the server's proof is of another registry, ${proof.registry}`);
  const { checks } = await verifyOnChain(proof, (method, params) => chain.provider.send(method, [...params]));
  const untrue = checks.find(({ ok }) => !ok);
  if (untrue) throw new Error(`the chain does not hold what the server says: ${untrue.detail}`);
  return proof;
}

function transactionOf({ header, leaf, siblings, custodian }: ProofDocument): Transaction {
  return { to: custodian, data: claimCalldata(header.epoch, leaf, siblings) };
}

async function send(signer: NonNullable<Chain["signer"]>, transaction: Transaction): Promise<string> {
  try {
    return (await sendTransaction(signer, transaction)).hash;
  } catch (error) {
    const refusal = contractRefusal(error);
    if (!refusal) throw error;
    throw new Error(`the vault refuses the claim: ${refusal.name}(${refusal.args.join(", ")})`);
  }
}
