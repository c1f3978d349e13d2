/** Asks a node what its chain says of a proof. It reads only, and neither database nor server. */
import { type Chain, connectChain } from "#infra";
import type { ProofDocument } from "#proof";
import { type Check, verifyOnChain } from "#verifier";

export interface ChainAnswer {
  readonly checks: readonly Check[];
  /** Nobody answered: the check `chain` failed, and the proof is neither shown nor refuted by it. */
  readonly isSilent: boolean;
}

/** @returns the checks of `verifyOnChain`; a node that does not answer is the check `chain`, failed */
export async function checkOnChain(proof: ProofDocument, rpcUrl: string): Promise<ChainAnswer> {
  let chain: Chain;
  try {
    chain = await connectChain({ rpcUrl });
  } catch (error) {
    const detail = error instanceof Error ? error.message : "unknown failure";
    return { checks: [{ name: "chain", ok: false, detail }], isSilent: true };
  }
  try {
    const ask = (method: string, params: readonly unknown[]) => chain.provider.send(method, [...params]);
    return { checks: (await verifyOnChain(proof, ask)).checks, isSilent: false };
  } finally {
    chain.close();
  }
}
