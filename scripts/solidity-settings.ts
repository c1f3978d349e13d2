/**
 * The compiler settings. One set for the contracts, used by Hardhat (tests, gas
 * snapshot) and by `compile-contracts.ts` (what is deployed), so that what is
 * measured and tested is what runs. No metadata hash is appended: the bytecode
 * depends on the sources' meaning alone, not on comments.
 */
export const SOLC_VERSION = "0.8.37";

/** Transient storage (reentrancy guard) needs Cancun; nothing newer is used, so that most chains run it. */
const EVM_VERSION = "cancun";

export const solidityOptimization = {
  optimizer: { enabled: true, runs: 10_000 },
  viaIR: true,
  evmVersion: EVM_VERSION,
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};

/** For the test contracts alone, which deploy the contracts from their artifacts: compiled fast, not to run fast. */
export const solidityTestSettings = {
  optimizer: { enabled: false },
  viaIR: false,
  evmVersion: EVM_VERSION,
};
