/**
 * Which unexpected errors mean "try again later" rather than "we have a bug": a
 * dependency that refused or lost the connection, also where a library wrapped
 * the driver's error.
 */
import { isUnavailable as isDatabaseUnavailable } from "#infra";

/** How deep `cause` is followed: TypeORM and fetch wrap once, `AggregateError` adds one. */
const MAX_DEPTH = 5;

export function isUnavailable(error: unknown, depth = 0): boolean {
  if (typeof error !== "object" || error === null || depth > MAX_DEPTH) return false;
  if (isDatabaseUnavailable(error)) return true;
  if (error instanceof AggregateError && error.errors.some((inner) => isUnavailable(inner, depth + 1)))
    return true;
  const wrapped = "driverError" in error ? error.driverError : undefined;
  const cause = "cause" in error ? error.cause : undefined;
  return isUnavailable(wrapped, depth + 1) || isUnavailable(cause, depth + 1);
}
