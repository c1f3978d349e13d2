/**
 * A cursor belongs to the list it came from: same path, same conditions, same
 * order. With others it would begin in the middle of another list, and what was
 * before that place would be missed without a word.
 */
import { createHash } from "node:crypto";
import { DomainError } from "#kernel";

/** Of base64url: 48 bits, against mistakes and not against forgery (a cursor names a place, it opens nothing). */
const MARK_LENGTH = 8;

export interface ListAsked {
  readonly path: string;
  /** Checked, with defaults. */
  readonly query: Readonly<Record<string, unknown>>;
}

/**
 * The query with the cursor as its list gave it.
 * @throws DomainError `invalid_request` where it is of another list
 */
export function unbindCursor({ path, query }: ListAsked): Readonly<Record<string, unknown>> {
  const { cursor } = query;
  if (typeof cursor !== "string") return query;
  if (cursor.endsWith(markOf({ path, query }))) return { ...query, cursor: cursor.slice(0, -MARK_LENGTH) };
  throw new DomainError(
    "invalid_request",
    "cursor must be a next_cursor of this list, asked for with the same conditions and order",
    { details: { member: "cursor" } },
  );
}

/** An answer whose `next_cursor` goes on with this list only. */
export function bindCursor(asked: ListAsked, answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null) return answer;
  const { next_cursor: next } = answer as { readonly next_cursor?: unknown };
  return typeof next === "string" ? { ...answer, next_cursor: next + markOf(asked) } : answer;
}

function markOf({ path, query }: ListAsked): string {
  const conditions = Object.entries(query)
    .filter(([name, value]) => name !== "cursor" && name !== "limit" && value !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return createHash("sha256")
    .update(
      JSON.stringify([path, conditions], (_, value) => (typeof value === "bigint" ? `${value}` : value)),
    )
    .digest("base64url")
    .slice(0, MARK_LENGTH);
}
