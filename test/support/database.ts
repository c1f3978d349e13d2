/**
 * A migrated Postgres database of a test's own, cloned from the template in
 * about 40 ms. Drop it when done, so that a long run does not fill the disk.
 */
import { randomUUID } from "node:crypto";
import { inject } from "vitest";
import { POSTGRES_ROLES } from "#devstack";
import { createClient } from "#infra";
import { TEST_SCHEMA } from "./template-database.ts";

export interface TestDatabase {
  readonly name: string;
  /** The ledger's schema, for `createPool` and `createDataSource`. */
  readonly schema: string;
  /** The role that owns the tables. */
  readonly ownerUrl: string;
  /** The server's role, which owns nothing. */
  readonly appUrl: string;
  /** The superuser, to break things on purpose. */
  readonly adminUrl: string;
  /** Ends all connections and removes the database. */
  drop(): Promise<void>;
}

/** Beside any test in a file: `const database = await createTestDatabase(); afterAll(() => database.drop())`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { urls, template } = inject("postgres");
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await asAdmin(urls.admin, `CREATE DATABASE ${name} TEMPLATE ${template} OWNER ${POSTGRES_ROLES.owner}`);
  const withName = (text: string) => Object.assign(new URL(text), { pathname: `/${name}` }).toString();
  return {
    name,
    schema: TEST_SCHEMA,
    ownerUrl: withName(urls.owner),
    appUrl: withName(urls.app),
    adminUrl: withName(urls.admin),
    drop: () => asAdmin(urls.admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function asAdmin(url: string, statement: string): Promise<void> {
  const client = createClient({ url, applicationName: "test-support", lockTimeoutMs: 60_000 });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
