/**
 * Hardhat runs the Solidity tests (unit, fuzz, invariants, golden vectors) and
 * the gas snapshot. It deploys nothing: `src/infra/chain` does, from
 * `contracts/compiled.json`. The compiler is the npm package `solc`, so that no
 * build downloads one.
 *
 * After a change to the contracts:
 *   node scripts/compile-contracts.ts
 *   npx hardhat build && npx hardhat test solidity contracts/Gas.t.sol --snapshot
 */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";
import type { HardhatPlugin } from "hardhat/types/plugins";
import { SOLC_VERSION, solidityOptimization, solidityTestSettings } from "./scripts/solidity-settings.ts";

const require = createRequire(import.meta.url);
const compiler = { version: SOLC_VERSION, path: require.resolve("solc/soljson.js") };
const scratch = "./node_modules/.cache/hardhat";
const testSources = readdirSync(new URL("contracts", import.meta.url)).filter((name) =>
  name.endsWith(".t.sol"),
);
/** Set by `scripts/long-invariants.ts`; the seed of every other run is fixed, so that it tests the same each time. */
const runs = process.env.INVARIANT_RUNS ? Number(process.env.INVARIANT_RUNS) : undefined;
const depth = process.env.INVARIANT_DEPTH ? Number(process.env.INVARIANT_DEPTH) : undefined;
const seed = process.env.INVARIANT_SEED ?? "0x616e63686f72626f6f6b";

/**
 * Hardhat compiles files together only where they share one settings object, and
 * it makes an object for each override. Given the same one, all tests are one
 * compilation instead of a dozen that repeat each other.
 */
const compileTestsTogether: HardhatPlugin = {
  id: "compile-tests-together",
  hookHandlers: {
    config: async () => ({
      default: async () => ({
        resolveUserConfig: async (userConfig, resolveVariable, next) => {
          const config = await next(userConfig, resolveVariable);
          for (const { overrides } of Object.values(config.solidity.profiles)) {
            const shared = Object.values(overrides)[0];
            if (shared) for (const source of Object.keys(overrides)) overrides[source] = shared;
          }
          return config;
        },
      }),
    }),
  },
};

export default defineConfig({
  plugins: [compileTestsTogether],
  paths: { cache: `${scratch}/cache`, artifacts: `${scratch}/artifacts` },
  solidity: {
    compilers: [{ ...compiler, settings: solidityOptimization }],
    overrides: Object.fromEntries(
      testSources.map((name) => [`contracts/${name}`, { ...compiler, settings: solidityTestSettings }]),
    ),
  },
  test: {
    solidity: {
      /** Every call of a test is a transaction of its own: cold storage, intrinsic gas, cleared transient storage. */
      isolate: true,
      fsPermissions: { readDirectory: ["test/vectors"] },
      fuzz: { runs: runs ?? 128, seed },
      invariant: { runs: runs ?? 16, depth: depth ?? 48, failOnRevert: true },
    },
  },
});
