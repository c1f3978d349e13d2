/**
 * Claims what was withdrawn. The server's word is not enough to use a wallet's key for: its proof is checked, here and by
 * the registry on the chain, and the transaction is built from the proof.
 */
import { type Chain, claimCalldata, connectChain, contractAt, contractRefusal } from "#infra";
import { type ProofDocument, parseProof } from "#proof";
import { verifyOnChain, verifyProof } from "#verifier";
import { readUnit, type TokenUnit } from "./amount-text.ts";
import { sendOnce } from "./send-once.ts";

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
  /** Whose payouts they are. */
  readonly userId: string;
  /** The account of the key has a transaction under way, which is waited for. */
  onWait(account: string): void;
}

export interface ClaimOutcome {
  readonly transaction: Transaction;
  /** What was left to be paid when the vault was last asked before the transaction, in base units. */
  readonly due: bigint;
  readonly unit: TokenUnit;
  /** Null where nothing was sent: without a key, or where it is paid. */
  readonly txHash: string | null;
  /** Whether the vault had paid it all before. */
  readonly wasPaid: boolean;
}

/**
 * @param document the proof as the server answers it
 * @throws Error where proof or chain do not hold, or the vault refuses
 */
export async function claimOnChain(
  { rpcUrl, privateKey, onWait, ...wanted }: ClaimOptions,
  document: unknown,
): Promise<ClaimOutcome> {
  const chain = await connectChain({ rpcUrl, privateKey });
  const { signer } = chain;
  try {
    const proof = await checkedProof(chain, document, wanted);
    const transaction = transactionOf(proof);
    const unit = await readUnit(chain, proof.asset);
    let due = 0n;
    const isDone = async () => {
      const left = await leftToPay(chain, proof);
      if (left > 0n) due = left;
      return left <= 0n;
    };
    if (!signer) return { wasPaid: await isDone(), transaction, due, unit, txHash: null };
    const txHash = await sendOnce(signer, transaction, { isDone, onWait: () => onWait(signer.address) });
    return { transaction, due, unit, txHash, wasPaid: txHash === null };
  } catch (error) {
    const refusal = contractRefusal(error);
    if (!refusal) throw error;
    throw new Error(`the vault refuses the claim: ${refusal.name}(${refusal.args.join(", ")})`);
  } finally {
    chain.close();
  }
}

/** By the proof, which says what was ever withdrawn, and the vault, which says what it paid of it. */
async function leftToPay(chain: Chain, { custodian, leaf }: ProofDocument): Promise<bigint> {
  const paid: bigint = await contractAt(chain, "SettlementVault", custodian).getFunction("paid")(leaf.key);
  return leaf.amount - paid;
}

/** @throws Error with the first thing that is wrong with it */
async function checkedProof(
  chain: Chain,
  document: unknown,
  { registry, wallet, userId }: Pick<ClaimOptions, "registry" | "wallet" | "userId">,
): Promise<ProofDocument> {
  const offline = verifyProof(document);
  const wrong = offline.checks.find(({ ok }) => !ok);
  if (wrong) throw new Error(`the server's proof does not hold: ${wrong.detail}`);
  const proof = parseProof(document);
  if (proof.section !== "payouts") throw new Error(`the server's proof is of ${proof.section}`);
  if (proof.leaf.owner !== wallet.toLowerCase())
    throw new Error(`the server's proof pays ${proof.leaf.owner}, and not ${wallet}`);
  // Shown to be what the key is made of by the checks above.
  if (proof.opening?.parts[0] !== userId)
    throw new Error(`the server's proof is not shown to be of the payouts of ${userId}`);
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
