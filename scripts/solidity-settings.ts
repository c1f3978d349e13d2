/**
 * The one set of compiler settings for the contracts, used by Hardhat (tests, gas
 * snapshot) and by `compile-contracts.ts` (what is deployed), so that what is
 * measured and tested is what runs. No metadata hash is appended: the bytecode
 * depends on the sources' meaning alone, not on comments.
 */
export const SOLC_VERSION = "0.8.37";

export const solidityOptimization = {
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  /** Transient storage (reentrancy guard) needs Cancun; nothing newer is used, so that most chains run it. */
  evmVersion: "cancun",
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};
