/**
 * Hardhat runs the Solidity tests (unit, fuzz, invariants, golden vectors) and
 * the gas snapshot. It deploys nothing: `src/infra/chain` does, from
 * `contracts/compiled.json`. The compiler is the npm package `solc`, so that no
 * build downloads one.
 */
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";
import { SOLC_VERSION, solidityOptimization } from "./scripts/solidity-settings.ts";

const require = createRequire(import.meta.url);
const scratch = "./node_modules/.cache/hardhat";

export default defineConfig({
  paths: { cache: `${scratch}/cache`, artifacts: `${scratch}/artifacts` },
  solidity: {
    compilers: [
      {
        version: SOLC_VERSION,
        path: require.resolve("solc/soljson.js"),
        settings: solidityOptimization,
      },
    ],
  },
  test: {
    solidity: {
      /** Every call of a test is a transaction of its own: cold storage, intrinsic gas, cleared transient storage. */
      isolate: true,
      fsPermissions: { readDirectory: ["test/vectors"] },
      fuzz: { runs: 128, seed: "0x616e63686f72626f6f6b" },
      invariant: { runs: 16, depth: 48, failOnRevert: true },
    },
  },
});
