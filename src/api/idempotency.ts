/**
 * `Idempotency-Key`: read and fingerprinted here, kept by the ledger writer in
 * the transaction of the effect it belongs to. The fingerprint is over the
 * canonical path, the query and the body, so that an alias of a path, another
 * percent-encoding or another order of members is still the same request.
 */
import { hash } from "node:crypto";
import { DomainError } from "#kernel";
import type { Idempotency, Route } from "./route.ts";

const VISIBLE_ASCII = /^[\x21-\x7e]{1,255}$/;

/** @throws DomainError `invalid_request` */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined || VISIBLE_ASCII.test(header)) return header;
  throw new DomainError("invalid_request", "Idempotency-Key must be 1 to 255 visible ASCII characters", {
    details: { member: "Idempotency-Key" },
  });
}

export function idempotencyOf(
  route: Route,
  request: {
    readonly key: string;
    readonly principal: string;
    readonly params: Readonly<Record<string, string>>;
    /** Decoded, before defaults. */
    readonly query: Readonly<Record<string, string>>;
    readonly body: unknown;
  },
): Idempotency {
  const path = route.paths[0].replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(request.params[name] ?? ""),
  );
  // An encoded path holds no "?", so that what is asked for and how cannot be mistaken for each other.
  const query = Object.keys(request.query).length === 0 ? "" : `?${canonicalJson(request.query)}`;
  const fingerprint = hash(
    "sha256",
    `${route.method.toUpperCase()}\n${path}${query}\n${canonicalJson(request.body)}`,
    "hex",
  );
  return { principal: request.principal, key: request.key, fingerprint };
}

/** JSON with sorted member names. The depth of `value` is bounded by the body parser. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join()}}`;
}
