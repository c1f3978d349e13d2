/**
 * The verifier: pure checks of what Anchorbook publishes. Runs in Node and in a
 * browser; no I/O, no storage. It is also the package's export
 * `anchorbook/verifier`, so it hands out what its callers need of the format.
 */

export {
  FormatError,
  type Hex,
  type NoteKey,
  type ProofDocument,
  parseProof,
  parseVerifierKey,
  type SumNode,
} from "#proof";
export {
  isLineProof,
  type LineProof,
  type LineRecomputation,
  parseLineProof,
  type RecomputedLine,
  recomputeLine,
  verifyLine,
} from "./line-proof.ts";
export { type Recomputation, type RecomputedLevel, recomputeProof } from "./recompute.ts";
export type { AskNode, BookState } from "./registry-reader.ts";
export {
  type CheckpointVerification,
  type LogTrust,
  verifyCheckpoint,
  verifyContinuity,
  verifyLogProof,
} from "./verify-log.ts";
export { type ChainVerification, verifyOnChain } from "./verify-on-chain.ts";
export { type Check, conclude, type Verification, verifyProof } from "./verify-proof.ts";
export { verifyRootOnChain } from "./verify-root-on-chain.ts";
