/**
 * For tests that need something of the machine. Where it is missing they are
 * reported as skipped, by name; in CI every test runs, so there it is a failure.
 */
export function canRun(isThere: boolean, what: string): boolean {
  if (!isThere && process.env.CI) throw new Error(`These tests need ${what}, and in CI every test runs`);
  return isThere;
}
