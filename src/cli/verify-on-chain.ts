/** Asks a node what its chain says of a proof. It reads only, and neither database nor server. */
import { type Chain, connectChain } from "#infra";
import type { ProofDocument } from "#proof";
import { type Check, verifyOnChain } from "#verifier";

/** @returns the checks of `verifyOnChain`; a node that does not answer is the check `chain`, failed */
export async function checkOnChain(proof: ProofDocument, rpcUrl: string): Promise<Check[]> {
  let chain: Chain;
  try {
    chain = await connectChain({ rpcUrl });
  } catch (error) {
    return [{ name: "chain", ok: false, detail: error instanceof Error ? error.message : "unknown failure" }];
  }
  try {
    const ask = (method: string, params: readonly unknown[]) => chain.provider.send(method, [...params]);
    return [...(await verifyOnChain(proof, ask)).checks];
  } finally {
    chain.close();
  }
}
