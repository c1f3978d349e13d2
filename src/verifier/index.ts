/** The verifier: pure checks of what Anchorbook publishes. Runs in Node and in a browser; no I/O, no storage. */

export {
  type CheckpointVerification,
  type LogTrust,
  verifyCheckpoint,
  verifyContinuity,
  verifyLogProof,
} from "./verify-log.ts";
export { type Check, conclude, type Verification, verifyProof } from "./verify-proof.ts";
