/** The documents do not fall behind: links lead somewhere, and the decision records have numbers of their own. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const DOCUMENTS = globSync(["*.md", "docs/**/*.md"], { cwd: ROOT });
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** As a heading's anchor is made: lower case, punctuation gone, spaces to hyphens. */
function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(file, "utf8").match(/^#{1,6} .*$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("every relative link leads to a file, and every anchor to a heading", () => {
  const links = DOCUMENTS.flatMap((document) =>
    [...readFileSync(join(ROOT, document), "utf8").matchAll(LINK)].map(([, target = ""]) => ({
      document,
      target,
    })),
  ).filter(({ target }) => !/^[a-z]+:/.test(target));
  const broken = links.filter(({ document, target }) => {
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? join(ROOT, document) : join(ROOT, dirname(document), path);
    return !existsSync(file) || (anchor !== undefined && !anchorsOf(file).has(anchor));
  });
  expect(broken).toEqual([]);
  expect(links.length).toBeGreaterThan(10);
});

test("every decision has a number of its own and says context, choice and what was given up", () => {
  const records = DOCUMENTS.filter((file) => file.startsWith("docs/decisions/"));
  const numbers = records.map((file) => /\/(\d{3})-[a-z0-9-]+\.md$/.exec(file)?.[1]);
  expect(numbers).not.toContain(undefined);
  expect(new Set(numbers).size).toBe(records.length);
  const incomplete = records.filter((file) => {
    const text = readFileSync(join(ROOT, file), "utf8").toLowerCase();
    return !["context", "choice", "given up"].every((part) => text.includes(part));
  });
  expect(incomplete).toEqual([]);
});
