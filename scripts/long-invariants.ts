/**
 * The contracts' invariant and fuzz tests for longer than a test run takes, with
 * a seed of one's own choice:
 *
 *   node scripts/long-invariants.ts [RUNS] [DEPTH] [SEED]     by default 256, 256 and a new seed, which is printed
 */
import { randomBytes } from "node:crypto";
import { runCommand } from "./run-command.ts";

const [runs = "256", depth = "256", seed = `0x${randomBytes(8).toString("hex")}`] = process.argv.slice(2);
if (!/^\d+$/.test(runs) || !/^\d+$/.test(depth) || !/^0x[0-9a-f]+$/.test(seed)) {
  console.error("usage: node scripts/long-invariants.ts [RUNS] [DEPTH] [SEED as 0x…]");
  process.exit(2);
}
console.log(`${runs} runs of ${depth} calls an invariant, seed ${seed}`);
const env = { ...process.env, INVARIANT_RUNS: runs, INVARIANT_DEPTH: depth, INVARIANT_SEED: seed };
// What the tests deploy are artifacts, which testing some files alone does not make.
const built = await runCommand(["hardhat", "build"]);
if (built.code !== 0) process.exit(built.code);
const files = ["contracts/Invariants.t.sol", "contracts/LedgerInvariants.t.sol"];
const { code } = await runCommand(["hardhat", "test", "solidity", ...files], { env });
process.exitCode = code;
