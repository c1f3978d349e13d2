/** The verifier and all it imports must load in a browser: no Node module, no other package than hash-wasm. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const packageJson: { imports: Record<string, string> } = JSON.parse(
  readFileSync(`${ROOT}package.json`, "utf8"),
);

/** Modules a file imports at run time; `import type` is erased. */
function importsOf(file: string): string[] {
  const { module } = parseSync(file, readFileSync(file, "utf8"));
  const imported = module.staticImports
    .filter((statement) => statement.entries.length === 0 || statement.entries.some((entry) => !entry.isType))
    .map((statement) => statement.moduleRequest.value);
  const exported = module.staticExports.flatMap((statement) =>
    statement.entries.flatMap((entry) =>
      entry.moduleRequest && !entry.isType ? [entry.moduleRequest.value] : [],
    ),
  );
  return [...imported, ...exported];
}

test("the verifier reaches nothing that a browser lacks", () => {
  const queue = [resolve(ROOT, "src/verifier/index.ts")];
  const seen = new Set<string>();
  const packages = new Set<string>();
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const name of importsOf(file)) {
      if (name.startsWith(".")) queue.push(resolve(dirname(file), name));
      else if (name.startsWith("#")) queue.push(resolve(ROOT, packageJson.imports[name] ?? ""));
      else packages.add(name);
    }
  }
  expect(seen.size).toBeGreaterThan(10);
  expect([...packages]).toEqual(["hash-wasm"]);
  for (const file of seen)
    expect(readFileSync(file, "utf8")).not.toMatch(/\b(?:Buffer|process|require)\b[.(]/);
});
