/**
 * `/docs`: Swagger UI from the installed package, and the error codes as plain
 * HTML, both from this server alone. Assets are read once, when first asked for.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { PROBLEMS } from "./problem.ts";
import { RawContent, reply } from "./reply.ts";
import { defineRoute, type Route } from "./route.ts";

const OWN_FOLDER = join(import.meta.dirname, "docs");
const SWAGGER_FOLDER = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

const ASSETS = {
  "init.js": { folder: OWN_FOLDER, contentType: "text/javascript; charset=utf-8" },
  "swagger-ui-bundle.js": { folder: SWAGGER_FOLDER, contentType: "text/javascript; charset=utf-8" },
  "swagger-ui.css": { folder: SWAGGER_FOLDER, contentType: "text/css; charset=utf-8" },
  "favicon-32x32.png": { folder: SWAGGER_FOLDER, contentType: "image/png" },
} as const;
type Asset = keyof typeof ASSETS;

const HTML = "text/html; charset=utf-8";
const CACHEABLE = { "Cache-Control": "public, max-age=3600" };
const auth = { public: true, ignoreToken: true } as const;

export function docsRoutes(): Route[] {
  const read = memoise((path) => readFile(path));
  return [
    defineRoute({
      method: "get",
      path: "/",
      summary: "Leads to the page of this API",
      tags: ["Service"],
      auth,
      hidden: true,
      response: z.strictObject({ docs: z.string() }),
      handler: () => reply({ docs: "/docs" }, { status: 302, headers: { location: "/docs" } }),
    }),
    defineRoute({
      method: "get",
      path: "/docs",
      summary: "This API as a page",
      tags: ["Service"],
      auth,
      hidden: true,
      responseType: "text/html",
      handler: async () => new RawContent(await read(join(OWN_FOLDER, "index.html")), HTML),
    }),
    defineRoute({
      method: "get",
      path: "/docs/errors",
      summary: "The error codes as a page",
      tags: ["Service"],
      auth,
      hidden: true,
      responseType: "text/html",
      handler: () => new RawContent(errorsPage(), HTML),
    }),
    defineRoute({
      method: "get",
      path: "/docs/{asset}",
      summary: "What the page is made of",
      tags: ["Service"],
      auth,
      params: z.strictObject({ asset: z.enum(Object.keys(ASSETS) as [Asset, ...Asset[]]) }),
      hidden: true,
      responseType: "application/octet-stream",
      handler: async ({ params }) => {
        const { folder, contentType } = ASSETS[params.asset];
        return new RawContent(await read(join(folder, params.asset)), contentType, CACHEABLE);
      },
    }),
  ];
}

/** docs/errors.md, word for word; a test holds the file to it. */
export function errorsMarkdown(): string {
  const entries = Object.entries(PROBLEMS).flatMap(([code, { status, title, meaning }]) => [
    "",
    `## ${code}`,
    "",
    `Status ${status}. ${title}.`,
    "",
    meaning,
  ]);
  return `${[
    "# Errors",
    "",
    "Every error is an RFC 9457 problem document (`application/problem+json`) with the members `type`, `title`,",
    "`status`, `detail`, `instance`, and also `error` (the stable code; rely on this one), `message` (the same as",
    "`detail`) and `details` (for bad input a list of `{member, reason}`; else what helps, or null).",
    "Every 429 and 503 says in `Retry-After` after how many seconds trying again can help.",
    "",
    "2xx, `insufficient_balance`, 404 and 409 (but for `in_progress`) are stored under an `Idempotency-Key` for good and come",
    "again with `Idempotent-Replayed: true`; other errors are not stored, so the same key can be used again once the cause is gone.",
    "",
    "This page is made from `src/api/problem.ts` by `npm run generate`; a test holds the two together.",
    ...entries,
  ].join("\n")}\n`;
}

function errorsPage(): string {
  const entries = Object.entries(PROBLEMS).map(
    ([code, { status, title, meaning }]) =>
      `<dt id="${code}"><code>${code}</code> ${status}</dt><dd><strong>${escapeHtml(title)}.</strong> ${escapeHtml(meaning).replaceAll(/`([^`]+)`/g, "<code>$1</code>")}</dd>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Anchorbook errors</title></head><body><h1>Errors</h1><dl>${entries.join("")}</dl></body></html>\n`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function memoise(load: (key: string) => Promise<Uint8Array>): (key: string) => Promise<Uint8Array> {
  const loaded = new Map<string, Promise<Uint8Array>>();
  return (key) => {
    const known = loaded.get(key) ?? load(key);
    loaded.set(key, known);
    return known;
  };
}
