/**
 * Bundles `src/verifier` into what others use without this repository's tools:
 * one JavaScript module (the package's export `anchorbook/verifier`) and one HTML
 * page that needs nothing beside itself (`/verify`, or opened from disk). Both
 * are committed, so that a server of a fresh clone serves what was reviewed.
 *
 *   node scripts/build-verifier.ts           writes them
 *   node scripts/build-verifier.ts --check   exit 1 where one differs from its sources
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = join(ROOT, "src/verify-page");

async function bundle(entry: string, name: string): Promise<string> {
  const build = await rolldown({
    input: join(ROOT, entry),
    cwd: ROOT,
    platform: "browser",
    // The format's modules compute constants when they load; what is not used of them need not be there.
    treeshake: { moduleSideEffects: false },
    tsconfig: false,
    onLog(level, log) {
      if (level === "warn") throw new Error(`${entry}: ${log.message}`);
    },
  });
  const { output } = await build.generate({ format: "esm", minify: true, comments: { legal: false } });
  await build.close();
  const [chunk, ...others] = output;
  if (others.length > 0 || chunk.imports.length > 0 || chunk.dynamicImports.length > 0)
    throw new Error(`${name} is not one module that needs no other`);
  return chunk.code.trim();
}

/** What the page may do: run this script and this style, compile its hash functions, and ask a node that is told to it. */
function policyFor(script: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}' 'wasm-unsafe-eval'`,
    `style-src '${hashOf(style)}'`,
    "img-src data:",
    "connect-src http: https:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

async function page(): Promise<string> {
  const script = (await bundle("src/verify-page/main.ts", "the page's script")).replaceAll(
    /<(?=\/script|!--)/gi,
    "\\x3c",
  );
  const style = minified(readFileSync(join(PAGE, "page.css"), "utf8"));
  const parts: Record<string, string> = { script, style, policy: policyFor(script, style) };
  return readFileSync(join(PAGE, "page.html"), "utf8").replaceAll(
    /\{\{(\w+)\}\}/g,
    (_, name: string) => parts[name] ?? "",
  );
}

function minified(css: string): string {
  return css
    .replaceAll(/\s*\n\s*/g, "")
    .replaceAll(/ \{/g, "{")
    .replaceAll(/: /g, ":")
    .trim();
}

const NOTE =
  "// Made from src/verifier by scripts/build-verifier.ts. Keccak and SHA-256 are hash-wasm's (MIT, Dani Biro).\n";
const outputs: [file: string, content: string][] = [
  [
    "src/verifier/anchorbook-verifier.js",
    `${NOTE}${await bundle("src/verifier/index.ts", "the verifier")}\n`,
  ],
  ["src/verify-page/verify.html", await page()],
];
for (const [file, content] of outputs) {
  const path = join(ROOT, file);
  const isSame = existsSync(path) && readFileSync(path, "utf8") === content;
  if (isSame) console.log(`${file} is up to date`);
  else if (process.argv.includes("--check")) {
    console.error(`${file} differs from its sources: node scripts/build-verifier.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, content);
    console.log(`wrote ${file} (${content.length} bytes)`);
  }
}
