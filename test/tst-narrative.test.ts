/**
 * TST is an access token and everything public about it says so: no word of
 * gains, of worth, of new units, no way from user to user. Looked at: the API
 * document of its routes, every text in its tables, its contract's interface,
 * and every paragraph of the documents that names it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildOpenApi } from "#api";
import { createWorld, type World } from "./programs/access/world.ts";

const ROOT = resolve(import.meta.dirname, "..");
const FORBIDDEN = /^(yield|reward|apy$|apr$|dividend|pric(e|es|ed|ing)$|earn|mint|inflation|profit|invest)/;
const TRANSFER = /^transfer/;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.stop());

/** Words of prose and of identifiers alike: `mintTo`, `new_price`, `a reward`. */
function words(text: string): string[] {
  return text
    .split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

function found(text: string, pattern = FORBIDDEN): string[] {
  return words(text).filter((word) => pattern.test(word));
}

type JsonObject = { readonly [member: string]: unknown };

/** A part of the API document with every schema it refers to, however deep. */
function withReferences(document: JsonObject, part: unknown): string {
  const seen = new Set<string>();
  const texts: string[] = [];
  const take = (value: unknown) => {
    const text = JSON.stringify(value);
    texts.push(text);
    for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const components = document.components as { schemas: JsonObject };
      take({ [name]: components.schemas[name] });
    }
  };
  take(part);
  return texts.join("\n");
}

describe("the guard itself", () => {
  it("finds the words in prose and in names, and leaves innocent ones alone", () => {
    expect(found("No yield. A reward! mintTo new_price earned Minted prices")).toHaveLength(7);
    expect(found("learn the minimum, minutes, a prior apron")).toEqual([]);
  });
});

describe("what is public about TST", () => {
  it("has no such word and no transfer in the API document of its routes", () => {
    const document = buildOpenApi(world.routes, "0.0.0") as unknown as JsonObject;
    const paths = Object.entries(document.paths as JsonObject);
    expect(paths.length).toBeGreaterThan(10);
    const text = withReferences(document, paths);
    expect(text.length).toBeGreaterThan(10_000);
    expect(found(text)).toEqual([]);
    expect(paths.flatMap(([path]) => found(path, TRANSFER))).toEqual([]);
  });

  it("has no such word in any text of its tables", async () => {
    const texts = await world.rows<{ text: string }>(`
      SELECT to_jsonb(t)::text AS text FROM access_tier t
      UNION ALL SELECT to_jsonb(l)::text FROM access_level l
      UNION ALL SELECT to_jsonb(e)::text FROM access_entity e
      UNION ALL SELECT to_jsonb(r)::text FROM access_requirement r`);
    expect(texts.length).toBe(4 + 3 + 3 + 10);
    expect(texts.flatMap(({ text }) => found(text))).toEqual([]);
  });

  it("has no such word in what it answers", async () => {
    const actions = await world.rows<{ action: string }>("SELECT action FROM access_requirement");
    const answers = await Promise.all(
      [
        ...actions.map(({ action }) => `/api/v1/tst/requirements/${action}`),
        "/api/v1/tst/access/a-user",
        "/api/v1/tst/health",
      ].map((path) => world.get(path, { as: "a-user" })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.flatMap(({ body }) => found(JSON.stringify(body)))).toEqual([]);
  });

  it("has no such word in its contract's interface", () => {
    const compiled = JSON.parse(readFileSync(join(ROOT, "contracts/compiled.json"), "utf8"));
    expect(compiled.TST.abi.length).toBeGreaterThan(5);
    expect(found(JSON.stringify(compiled.TST.abi))).toEqual([]);
  });

  it("has no such word on the page that checks proofs", () => {
    const files = readdirSync(join(ROOT, "src/verify-page")).filter((file) => /\.(ts|html)$/.test(file));
    expect(files.length).toBeGreaterThan(5);
    const sources = files
      .filter((file) => file !== "verify.html")
      .map((file) => textOf(`src/verify-page/${file}`));
    expect(sources.flatMap((text) => found(text))).toEqual([]);
  });

  it("has no such word in any paragraph of the documents that names it", () => {
    const files = ["README.md", "CHANGELOG.md"].concat(
      readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".md"))
        .map((file) => join("docs", file)),
    );
    const paragraphs = files.flatMap((file) =>
      textOf(file)
        .split(/\n\s*\n/)
        .filter((paragraph) => /\bTST\b/.test(paragraph))
        .map((paragraph) => ({ file, words: found(paragraph) })),
    );
    expect(paragraphs.length).toBeGreaterThan(3);
    expect(paragraphs.filter(({ words }) => words.length > 0)).toEqual([]);
  });

  it("is not transferable between users by any route of its asset", async () => {
    const routes = await world.rows(`
      SELECT from_role, to_role FROM asset_route
      WHERE asset = 'TST' AND NOT same_owner AND from_role NOT IN ('custody', 'treasury') ORDER BY from_role, to_role`);
    // What came in by a wallet goes to the user whose wallet it is; what was claimed is in the wallet, and off the books.
    expect(routes).toEqual([
      { from_role: "deposited", to_role: "available" },
      { from_role: "deposited", to_role: "treasury" },
      { from_role: "payouts", to_role: "custody" },
    ]);
  });
});

function textOf(file: string): string {
  try {
    return readFileSync(join(ROOT, file), "utf8");
  } catch {
    return ""; // not every checkout has every document
  }
}
