/** In production a server starts under no role that could get round the database's rules. */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { assertOwnsNothing } from "../../src/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { connect } from "../support/ledger.ts";

let database: TestDatabase;
let admin: Client;
const made: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = await connect(database.adminUrl, database);
});
afterAll(async () => {
  for (const role of made) await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await admin.end();
  await database.drop();
});

/** Roles belong to all databases, so that each has a name of its own. */
async function login(grants: (role: string) => readonly string[]): Promise<string> {
  const role = `server_${randomUUID().replaceAll("-", "")}`;
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x' IN ROLE anchorbook_app`);
  made.push(role);
  for (const grant of grants(role)) await admin.query(grant);
  return Object.assign(new URL(database.adminUrl), { username: role, password: "x" }).toString();
}

test("the role of the migrations' grants may serve, and a member of it", async () => {
  await expect(assertOwnsNothing(database.appUrl)).resolves.toBeUndefined();
  await expect(assertOwnsNothing(await login(() => []))).resolves.toBeUndefined();
});

test.each<[string, (role: string) => readonly string[]]>([
  ["is a superuser", (role) => [`ALTER ROLE ${role} SUPERUSER`]],
  ["is a member of the tables' owner", (role) => [`GRANT anchorbook_owner TO ${role}`]],
  [
    "owns a table",
    (role) => [
      `CREATE TABLE ${database.schema}.of_${role} (id int)`,
      `ALTER TABLE ${database.schema}.of_${role} OWNER TO ${role}`,
    ],
  ],
  [
    "owns a function",
    (role) => [
      `CREATE FUNCTION ${database.schema}.of_${role}() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      `ALTER FUNCTION ${database.schema}.of_${role}() OWNER TO ${role}`,
    ],
  ],
  ["may write all data", (role) => [`GRANT pg_write_all_data TO ${role}`]],
  ["may run programs on the database's machine", (role) => [`GRANT pg_execute_server_program TO ${role}`]],
])("one that %s may not", async (_, grants) => {
  await expect(assertOwnsNothing(await login(grants))).rejects.toThrow("rewriting the books");
});

test("nor the owner of the tables, nor the administrator", async () => {
  await expect(assertOwnsNothing(database.ownerUrl)).rejects.toThrow("rewriting the books");
  await expect(assertOwnsNothing(database.adminUrl)).rejects.toThrow("rewriting the books");
});
