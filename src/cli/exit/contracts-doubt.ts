/**
 * What somebody should know of the contracts before leaving by them: whether they are Anchorbook's own. Whoever has tokens
 * in others has no other way out than these, so a doubt is told and hides nothing; only sent is nothing then.
 */
import { type Chain, type DeploymentRecord, isChainUnavailable } from "#infra";
import { Lie } from "../audit/checks.ts";
import { checkCode } from "../audit/code-check.ts";

/** What the source of the leaves knows of them. */
export type ContractsKnown =
  | { readonly kind: "audited" }
  /** In which the registry was created, as the server says or an audit found. */
  | { readonly kind: "block"; readonly deployedBlock: number }
  | { readonly kind: "nothing" };

export interface ContractsDoubt {
  readonly text: string;
  /** They do not look like it; else it could not be seen. */
  readonly areOthers: boolean;
}

const UNSEEN =
  "whether the contracts are Anchorbook's own was not looked at: the folder of an anchorbook audit says so, by one more --data";

/** Null where there is none. @throws ChainUnavailable */
export async function contractsDoubt(
  chain: Chain,
  record: DeploymentRecord,
  known: ContractsKnown,
): Promise<ContractsDoubt | null> {
  if (known.kind === "audited") return null;
  if (known.kind === "nothing") return { text: UNSEEN, areOthers: false };
  try {
    const said = { ...record, deployed_block: known.deployedBlock };
    // The block is the server's word: that they are not found by it shows nothing, whoever they are.
    await checkCode([{ name: "the node", chain }], said, Number.POSITIVE_INFINITY);
    return null;
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    return { text: error instanceof Error ? error.message : String(error), areOthers: error instanceof Lie };
  }
}
