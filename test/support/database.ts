/**
 * A migrated Postgres database of a test's own. Drop it when done, so that a long
 * run does not fill the disk.
 */
import { inject } from "vitest";
import { cloneTemplate, type TestDatabase } from "./template-database.ts";

export type { TestDatabase } from "./template-database.ts";

/** Beside any test in a file: `const database = await createTestDatabase(); afterAll(() => database.drop())`. */
export function createTestDatabase(): Promise<TestDatabase> {
  const { urls, template } = inject("postgres");
  return cloneTemplate(urls, template);
}
