/**
 * Which folder may import which. The table is the rule; the test reads every
 * import of every source file and fails when it finds no file or no import to
 * check, so that it cannot pass by looking at nothing.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const PROGRAMS = "src/programs/";

/** A folder may import itself, npm packages, and these. What is not listed here (main, compose, devstack, scripts …) may import anything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "src/kernel": [],
  "src/proof": ["src/kernel"],
  "src/verifier": ["src/proof", "src/kernel"],
  "src/verify-page": ["src/verifier", "src/proof", "src/kernel"],
  "src/infra": ["src/kernel"],
  "src/ledger": ["src/infra", "src/kernel", "src/proof"],
  "src/events": ["src/ledger", "src/infra", "src/kernel"],
  "src/inter-ledger": ["src/ledger", "src/infra", "src/kernel"],
  "src/quota": ["src/ledger", "src/infra", "src/kernel"],
  "src/settlement": ["src/ledger", "src/proof", "src/infra", "src/kernel"],
  "src/wallets": ["src/settlement", "src/ledger", "src/proof", "src/infra", "src/kernel"],
  [PROGRAMS]: ["src/ledger", "src/quota", "src/settlement", "src/infra", "src/kernel"],
  "src/api": [
    PROGRAMS,
    "src/wallets",
    "src/events",
    "src/inter-ledger",
    "src/settlement",
    "src/quota",
    "src/ledger",
    "src/proof",
    "src/infra",
    "src/kernel",
  ],
  jobs: [
    PROGRAMS,
    "src/wallets",
    "src/events",
    "src/inter-ledger",
    "src/settlement",
    "src/quota",
    "src/ledger",
    "src/proof",
    "src/infra",
    "src/kernel",
  ],
  "src/cli": [
    "src/verifier",
    "src/proof",
    "src/ledger",
    "src/infra",
    "src/kernel",
    "src/config.ts",
    "src/create-ledger.ts",
    "src/move-ledger.ts",
  ],
};

const manifest: { imports: Record<string, string> } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);

interface Import {
  file: string;
  specifier: string;
  /** Path below the root, or undefined for an npm package or Node itself. */
  target: string | undefined;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const { module, errors } = parseSync(file, text);
  expect(errors, file).toEqual([]);
  const specifiers = [
    ...module.staticImports.map((statement) => statement.moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
    ),
    ...module.dynamicImports.map(({ moduleRequest }) =>
      text.slice(moduleRequest.start, moduleRequest.end).replace(/^["'`]|["'`]$/g, ""),
    ),
  ];
  return specifiers.map((specifier) => ({ file, specifier, target: targetOf(file, specifier) }));
}

function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("#"))
    return relative(ROOT, resolve(ROOT, manifest.imports[specifier] ?? specifier));
  if (specifier.startsWith(".")) return relative(ROOT, resolve(ROOT, dirname(file), specifier));
  return undefined;
}

/** The layer a file belongs to: `src/ledger`, one program, `jobs`; or the file itself, where it is in none. */
function layerOf(path: string): string {
  const program = /^src\/programs\/[^/]+/.exec(path)?.[0];
  if (program) return program;
  return /^(src\/[^/]+|(?!src\/)[^/]+)(?=\/)/.exec(path)?.[0] ?? path;
}

function isAllowed(from: string, to: string): boolean {
  const rules = MAY_IMPORT[from.startsWith(PROGRAMS) ? PROGRAMS : from];
  return (
    rules === undefined || rules.some((rule) => (rule === PROGRAMS ? to.startsWith(PROGRAMS) : rule === to))
  );
}

const files = globSync(["src/**/*.ts", "jobs/**/*.ts", "migrations/*.ts", "ormconfig.ts"], { cwd: ROOT });
const imports = files.flatMap(importsOf);
const crossing = imports.filter(
  (found): found is Import & { target: string } =>
    found.target !== undefined && layerOf(found.target) !== layerOf(found.file),
);

describe("layering", () => {
  it("is checked on real files", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(100);
    expect(crossing.length).toBeGreaterThan(30);
    const layers = files.map(layerOf);
    const empty = Object.keys(MAY_IMPORT).filter((layer) => !layers.some((found) => found.startsWith(layer)));
    expect(empty).toEqual([]);
  });

  it("lets a folder import only what is below it", () => {
    const violations = crossing
      .filter(({ file, target }) => !isAllowed(layerOf(file), layerOf(target)))
      .map(({ file, specifier }) => `${file} imports ${specifier}`);
    expect(violations).toEqual([]);
  });

  it("enters a folder through its index only", () => {
    const violations = crossing
      .filter(({ target }) => target.startsWith("src/") || target.startsWith("jobs/"))
      .filter(({ target }) => layerOf(target) !== target && !/\/index\.ts$/.test(target))
      .map(({ file, specifier }) => `${file} imports ${specifier}`);
    expect(violations).toEqual([]);
  });

  it("crosses folders by the names of package.json, not by relative paths", () => {
    const violations = crossing
      .filter(({ specifier, target }) => specifier.startsWith(".") && target.startsWith("src/"))
      .filter(({ target }) => Object.values(manifest.imports).includes(`./${target}`))
      .map(({ file, specifier }) => `${file} imports ${specifier}`);
    expect(violations).toEqual([]);
  });

  it("catches what it forbids", () => {
    expect(isAllowed("src/kernel", "src/infra")).toBe(false);
    expect(isAllowed("src/ledger", "src/programs/access")).toBe(false);
    expect(isAllowed("src/programs/access", "src/programs/rewards")).toBe(false);
    expect(isAllowed("src/api", "src/programs/access")).toBe(true);
    expect(isAllowed("src/devstack", "src/infra")).toBe(true);
  });
});
