/** `anchorbook/verifier` as somebody else uses it: one module, small, that needs neither Node nor any package. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { parseSync } from "oxc-parser";
import { afterAll, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const BUDGET_BYTES = 60_000;
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const file: string = manifest.exports["./verifier"].default;
const folder = mkdtempSync(join(tmpdir(), "anchorbook-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("it is within its budget, minified and compressed", () => {
  const code = readFileSync(join(ROOT, file));
  expect(code.length).toBeGreaterThan(5_000);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(BUDGET_BYTES);
});

test("it imports nothing", () => {
  const { module, errors } = parseSync(file, readFileSync(join(ROOT, file), "utf8"));
  expect(errors).toEqual([]);
  expect(module.staticImports).toEqual([]);
  expect(module.dynamicImports).toEqual([]);
  expect(module.staticExports.length).toBeGreaterThan(0);
});

test("a project that has nothing else checks a proof with it", () => {
  const installed = join(folder, "node_modules/anchorbook");
  mkdirSync(join(installed, "src/verifier"), { recursive: true });
  for (const name of ["package.json", file]) cpSync(join(ROOT, name), join(installed, name));
  const [, proof = ""] =
    /```json proof\n([\s\S]+?)```/.exec(readFileSync(join(ROOT, "docs/settlement-format.md"), "utf8")) ?? [];
  const script = join(folder, "check.mjs");
  writeFileSync(
    script,
    `import { verifyProof } from "anchorbook/verifier";
     const proof = ${JSON.stringify(proof)};
     console.log(verifyProof(proof).valid, verifyProof(proof.replace('"amount": "4', '"amount": "5')).valid);`,
  );
  expect(execFileSync(process.execPath, [script], { encoding: "utf8" })).toBe("true false\n");
});
