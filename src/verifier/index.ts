/** The verifier: pure checks of what Anchorbook publishes. Runs in Node and in a browser; no I/O, no storage. */
export { type Check, conclude, type Verification, verifyProof } from "./verify-proof.ts";
