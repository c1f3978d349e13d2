/**
 * The log as C2SP tlog-tiles has it, so that tools for such logs read it: the
 * checkpoint, the tree's tiles and the entries, each at a path that names all of
 * it. The ledger stands in the path, since such tools send no header. Full tiles
 * never change and may be kept for ever.
 */
import { z } from "zod";
import { DomainError } from "#kernel";
import { TILE_WIDTH, tileIndexPath } from "#proof";
import { RawContent } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { queryInteger } from "../schemas.ts";
import type { LogRouteDeps } from "./log.ts";

const tags = ["Log"] as const;
const isPublic = { public: true } as const;
/** An index has a group of three digits for each thousand: with three, a log has 256 thousand million lines. */
const MAX_GROUPS = 3;
const MAX_LEVEL = 7;
const FOR_EVER = { "Cache-Control": "public, max-age=31536000, immutable" };
const NOT_KEPT = { "Cache-Control": "no-cache" };
const BYTES = "application/octet-stream";
const NOTE = "text/plain; charset=utf-8";

const ledgerName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: "must be a ledger's name" })
  .meta({ description: "The ledger's name; `default` is the one that is always there." });
const lastGroup = z.string().regex(/^[0-9]{3}$/, { error: "must be three digits" });
const earlierGroup = z.string().regex(/^x[0-9]{3}$/, { error: "must be x and three digits" });
const width = queryInteger(1, TILE_WIDTH - 1);
const level = queryInteger(0, MAX_LEVEL);

export function logTileRoutes(deps: LogRouteDeps): Route[] {
  const routes = [checkpointRoute(deps)];
  for (let groups = 1; groups <= MAX_GROUPS; groups++)
    for (const partial of [false, true])
      routes.push(tileRoute(deps, groups, partial), entriesRoute(deps, groups, partial));
  return routes;
}

function checkpointRoute({ log, ledger }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/log/{ledger}/checkpoint",
    summary: "The newest checkpoint as a signed note",
    tags,
    auth: isPublic,
    params: z.strictObject({ ledger: ledgerName }),
    responseType: "text/plain",
    errors: ["not_found"],
    async handler({ params }) {
      assertLedger(params.ledger, ledger);
      const latest = await log.latest();
      if (!latest) throw new DomainError("not_found", "No epoch is closed yet, so the log has no checkpoint");
      return new RawContent(latest.note, NOTE, NOT_KEPT);
    },
  });
}

function tileRoute(deps: LogRouteDeps, groups: number, partial: boolean): Route {
  return defineRoute({
    method: "get",
    path: `/log/{ledger}/tile/{level}/${indexPath(groups, partial)}`,
    summary: partial ? "The beginning of a tile of the log tree" : "A tile of the log tree",
    description:
      "256 hashes (`.p/{width}`: so many) of every eighth level. An index is written in groups of three digits, all but the last after an x: 1234067 is `x001/x234/067`.",
    tags,
    auth: isPublic,
    params: z.strictObject({ ledger: ledgerName, level, ...indexParams(groups, partial) }),
    responseType: BYTES,
    errors: ["not_found"],
    ...(groups > 1 ? { hidden: true } : {}),
    async handler({ params }) {
      assertLedger(params.ledger, deps.ledger);
      const { index, width } = placeOf(params, groups);
      return new RawContent(await deps.log.tile({ level: params.level, index }, width), BYTES, FOR_EVER);
    },
  });
}

function entriesRoute(deps: LogRouteDeps, groups: number, partial: boolean): Route {
  return defineRoute({
    method: "get",
    path: `/log/{ledger}/tile/entries/${indexPath(groups, partial)}`,
    summary: partial ? "The beginning of a bundle of journal lines" : "A bundle of journal lines",
    description:
      "256 lines (`.p/{width}`: so many), each after its length in two bytes, big-endian. The index is written as a tile's.",
    tags,
    auth: isPublic,
    params: z.strictObject({ ledger: ledgerName, ...indexParams(groups, partial) }),
    responseType: BYTES,
    errors: ["not_found"],
    ...(groups > 1 ? { hidden: true } : {}),
    async handler({ params }) {
      assertLedger(params.ledger, deps.ledger);
      const { index, width } = placeOf(params, groups);
      return new RawContent(await deps.log.entries(index, width), BYTES, FOR_EVER);
    },
  });
}

/** Path parameters of an index in so many groups; the last is `n`. */
function groupNames(groups: number): string[] {
  return ["millions", "thousands", "n"].slice(MAX_GROUPS - groups);
}

function indexPath(groups: number, partial: boolean): string {
  const path = groupNames(groups).map((name) => `{${name}}`);
  return `${path.join("/")}${partial ? ".p/{width}" : ""}`;
}

/** Their schemas; an `object`, since how many there are is not known to the types. */
function indexParams(groups: number, partial: boolean): object {
  const names = groupNames(groups).map((name) => [name, name === "n" ? lastGroup : earlierGroup]);
  return { ...Object.fromEntries(names), ...(partial ? { width } : {}) };
}

interface TilePlace {
  readonly index: bigint;
  readonly width: number;
}

/** @throws DomainError `not_found` where the index has another path */
function placeOf(params: Readonly<Record<string, unknown>>, groups: number): TilePlace {
  const path = groupNames(groups)
    .map((name) => params[name])
    .join("/");
  const index = BigInt(path.replaceAll(/[x/]/g, ""));
  if (tileIndexPath(index) !== path)
    throw new DomainError("not_found", `There is no such tile; its index is written ${tileIndexPath(index)}`);
  return { index, width: typeof params.width === "number" ? params.width : TILE_WIDTH };
}

function assertLedger(asked: string, own: string): void {
  if (asked !== own) throw new DomainError("not_found", "The path names another ledger than X-Ledger");
}
