/**
 * Everything that is checked beside the tests. All checks run, also after one
 * has failed, and the end says which did. (The layering and the house rules are
 * tests: test/layering.test.ts, test/tidy.test.ts.)
 */
import { runCommand } from "./run-command.ts";

const CHECKS: readonly { name: string; command: readonly [string, ...string[]] }[] = [
  { name: "format and lint", command: ["biome", "ci", "--error-on-warnings"] },
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "types of the page, as a browser has them", command: ["tsc", "--noEmit", "-p", "src/verify-page"] },
  { name: "types of the page's tests", command: ["tsc", "--noEmit", "-p", "test/verify-page"] },
  { name: "unused files, exports and packages", command: ["knip"] },
  {
    name: "compiled contracts, schema, verifier, lock file",
    command: [process.execPath, "scripts/generate.ts", "--check"],
  },
  { name: "contracts", command: ["hardhat", "build"] },
  { name: "gas", command: ["hardhat", "test", "solidity", "contracts/Gas.t.sol", "--snapshot-check"] },
];

if (process.argv.length > 2) {
  process.stdout.write("Usage: npm run check\n\nTakes no options; runs, one after the other:\n");
  for (const { name, command } of CHECKS) process.stdout.write(`  ${name}: ${command.join(" ")}\n`);
  process.exit(process.argv.includes("--help") || process.argv.includes("-h") ? 0 : 2);
}
const failed: string[] = [];
for (const { name, command } of CHECKS) {
  process.stdout.write(`\n── ${name}: ${command.slice(command[0] === process.execPath ? 1 : 0).join(" ")}\n`);
  const started = performance.now();
  const { code } = await runCommand(command);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${code === 0 ? "ok" : "FAILED"} in ${seconds} s\n`);
  if (code !== 0) failed.push(name);
}
process.stdout.write(
  failed.length === 0 ? `\nall ${CHECKS.length} checks passed\n` : `\nfailed: ${failed.join("; ")}\n`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
