/**
 * Writes docs/errors.md from the map of errors that the server answers by. With
 * `--check` nothing is written, and a file that says something else is a failure.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { errorsMarkdown } from "#api";

const FILE = new URL("../docs/errors.md", import.meta.url);

if (!process.argv.includes("--check")) writeFileSync(FILE, errorsMarkdown());
else if (readFileSync(FILE, "utf8") !== errorsMarkdown()) {
  process.stderr.write("docs/errors.md is not what src/api/problem.ts says. Run: npm run generate\n");
  process.exitCode = 1;
}
