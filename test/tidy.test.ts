/**
 * House rules that no linter knows, checked on every tracked file: no test is
 * switched off, the core takes time, randomness and settings from outside, and
 * nothing tells of the machine it was written on.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const SELF = "test/tidy.test.ts";
const BINARY = /\.(png|ico|woff2?|gz)$/;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\0")
  .filter((file) => file !== "" && file !== SELF && !BINARY.test(file));

function textOf(file: string): string {
  try {
    return readFileSync(resolve(ROOT, file), "utf8");
  } catch {
    return ""; // removed since it was listed
  }
}

/** `file:line: text` of each line that matches. */
function findings(candidates: readonly string[], pattern: RegExp): string[] {
  return candidates.flatMap((file) =>
    textOf(file)
      .split("\n")
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [],
      ),
  );
}

const sources = files.filter((file) => /\.(ts|mjs)$/.test(file));
const tests = files.filter((file) => /\.test\.ts$/.test(file));
const core = sources.filter((file) =>
  /^src\/(ledger|events|quota|settlement|programs|proof|verifier)\//.test(file),
);

describe("the repository", () => {
  it("is looked at", () => {
    expect(files.length).toBeGreaterThan(100);
    expect(tests.length).toBeGreaterThan(10);
    expect(core.length).toBeGreaterThan(30);
  });

  it("switches no test off, and repeats none until it passes", () => {
    const off =
      /\b(it|test|describe|suite)(\.\w+)*\.(skip|skipIf|only|todo|fails)\b|\b(xit|xdescribe|fit|fdescribe)\(|\bretry:\s*[1-9]|\.runIf\((?!canRun\()/;
    expect(findings([...tests, ...sources.filter((file) => file.startsWith("test/"))], off)).toEqual([]);
    expect(
      findings(
        files.filter((file) => file.endsWith(".t.sol")),
        /vm\.skip|\bxtest|\/\/\s*function test/,
      ),
    ).toEqual([]);
  });

  it("leaves nothing to do and silences no checker", () => {
    const marks = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|nocheck|expect-error)|\bas any\b|\bbiome-ignore\b/;
    expect(findings(sources, marks)).toEqual([]);
  });

  it("waits for no transaction by what waits for a next block, which may never come", () => {
    expect(findings(sources, /\.wait\(\)|\.waitFor(Deployment|Transaction)\(/)).toEqual([]);
  });

  it("keeps the core free of floating point, wall time, randomness and settings", () => {
    const forbidden =
      /\bNumber\(|\bparseFloat\(|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.env\b/;
    expect(findings(core, forbidden)).toEqual([]);
  });

  it("reads the environment in few places", () => {
    const readers = new Set(
      findings(
        sources.filter((file) => file.startsWith("src/") || file.startsWith("jobs/")),
        /\bprocess\.env\b/,
      ).map((finding) => finding.split(":")[0]),
    );
    expect(
      [...readers].filter((file) => file !== "src/config.ts" && !file?.startsWith("src/devstack/")),
    ).toEqual([]);
  });

  it("names no schema in SQL", () => {
    // the golden dump is read from the catalog, which knows the schema of each object
    const sql = files.filter((file) => file.endsWith(".sql") && file !== "migrations/schema.sql");
    expect(findings(sql, /\b(public|ledger)\.\w+/)).toEqual([]);
  });

  it("tells of no machine, account or registry", () => {
    const places =
      /\/(work|home|root|Users)\/[a-z]|\/tmp\/(team|devstack)|(registry|artifactory|nexus|mirror)\.[a-z0-9-]+\.[a-z]+|"resolved":/;
    expect(findings(files, places)).toEqual([]);
  });
});
