/**
 * TypeScript against Solidity on larger trees and for longer than a test run takes:
 *
 *   node scripts/long-differential.ts [LEAVES] [ROUNDS] [SEED]     by default 5000, 20 and a new seed, which is printed
 */
import { randomInt } from "node:crypto";
import { runCommand } from "./run-command.ts";

const [leaves = "5000", rounds = "20", seed = String(randomInt(1_000_000_000))] = process.argv.slice(2);
if (![leaves, rounds, seed].every((text) => /^\d{1,9}$/.test(text))) {
  console.error("usage: node scripts/long-differential.ts [LEAVES] [ROUNDS] [SEED]");
  process.exit(2);
}
console.log(`${rounds} epochs of trees of up to ${leaves} leaves, seed ${seed}`);
const env = {
  ...process.env,
  DIFFERENTIAL_LEAVES: leaves,
  DIFFERENTIAL_ROUNDS: rounds,
  DIFFERENTIAL_SEED: seed,
};
const { code } = await runCommand(["vitest", "run", "test/infra/differential.test.ts"], { env });
process.exitCode = code;
