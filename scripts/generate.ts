/**
 * Makes every generated file again: the compiled contracts, the golden schema,
 * the page of errors, the verifier's bundles, the lock file's entries for other systems. With `--check` nothing is written
 * and a file that differs from its source is a failure.
 */
import { runCommand } from "./run-command.ts";

const GENERATORS = [
  "scripts/compile-contracts.ts",
  "scripts/dump-schema.ts",
  "scripts/write-errors-page.ts",
  "scripts/build-verifier.ts",
  "scripts/complete-lock.ts",
];

const asked = process.argv.slice(2);
if (asked.length > 0 && asked.join() !== "--check") {
  process.stdout.write("Usage: npm run generate [-- --check]\n\nRuns, one after the other:\n");
  for (const script of GENERATORS) process.stdout.write(`  ${script}\n`);
  process.exit(asked.includes("--help") || asked.includes("-h") ? 0 : 2);
}
const args = process.argv.includes("--check") ? ["--check"] : [];
for (const script of GENERATORS) {
  process.stdout.write(`${script} ${args.join(" ")}\n`);
  const { code } = await runCommand([process.execPath, script, ...args]);
  if (code !== 0) process.exitCode = 1;
}
