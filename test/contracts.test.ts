/** The table of known attacks in docs/contracts.md and the tests that carry their names do not drift apart. */
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

test("every attack in the document is a test, and every test of an attack is in the document", () => {
  const document = readFileSync(join(ROOT, "docs/contracts.md"), "utf8");
  const sources = globSync("contracts/*.t.sol", { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  const told = new Set([...document.matchAll(/`(test(?:Fuzz)?_\w+)`/g)].map(([, name = ""]) => name));
  const written = new Set(
    [...sources.matchAll(/function (test(?:Fuzz)?_\w+)\(/g)].map(([, name = ""]) => name),
  );
  expect(told.size).toBeGreaterThan(40);
  expect([...told].filter((name) => !written.has(name))).toEqual([]);
  expect([...written].filter((name) => name.includes("Attack") && !told.has(name))).toEqual([]);
});
