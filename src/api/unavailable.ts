/**
 * Which unexpected errors mean "try again later" rather than "we have a bug":
 * a dependency that refused or lost the connection. Decided by SQLSTATE and
 * system error code, never by text.
 */

/** connection exception · insufficient resources · operator intervention (restart, shutdown) · system error */
const TRANSIENT_SQLSTATE = /^(08...|53...|57P0[1-5]|58...|25006|40001|40P01|55P03)$/;

const TRANSIENT_SYSTEM_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** How deep `cause` is followed: TypeORM and undici wrap once, `AggregateError` adds one. */
const MAX_DEPTH = 5;

export function isUnavailable(error: unknown, depth = 0): boolean {
  if (typeof error !== "object" || error === null || depth > MAX_DEPTH) return false;
  const code = "code" in error ? error.code : undefined;
  if (typeof code === "string" && (TRANSIENT_SQLSTATE.test(code) || TRANSIENT_SYSTEM_CODES.has(code)))
    return true;
  if (error instanceof AggregateError && error.errors.some((inner) => isUnavailable(inner, depth + 1)))
    return true;
  const wrapped = "driverError" in error ? error.driverError : undefined;
  const cause = "cause" in error ? error.cause : undefined;
  return isUnavailable(wrapped, depth + 1) || isUnavailable(cause, depth + 1);
}
