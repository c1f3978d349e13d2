/** How Postgres looks up what a proof is of, where a section has grown since its statistics were taken. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createClient } from "#infra";
import { SQL } from "../../src/settlement/sql.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: ReturnType<typeof createClient>;

beforeAll(async () => {
  database = await createTestDatabase();
  const { ownerUrl: url, schema } = database;
  client = createClient({ url, schema, applicationName: "test" });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const account = (place: number) => `00000000-0000-0000-0000-${`${place}`.padStart(12, "0")}`;

async function addPositions(section: number, from: number, count: number): Promise<void> {
  await client.query(
    `INSERT INTO position (account, asset, section, index, key, owner, valid_until, kind, quantity, seq)
     SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'TST', $1::smallint, n,
       decode(lpad(to_hex(n), 64, '0'), 'hex'), decode(repeat('11', 20), 'hex'), 0, 0, 0, n
     FROM generate_series($2::int, $2::int + $3::int - 1) n`,
    [section, from, count],
  );
}

it("is by its account, and not by going through its section", async () => {
  await addPositions(0, 0, 5_000);
  await client.query("ANALYZE position");
  await addPositions(1, 5_000, 3_000);
  const { rows } = await client.query(`EXPLAIN (COSTS OFF) ${SQL.proofParts}`, [
    ...[1, "TST", 1, account(5_001), 7, null, null],
  ]);
  const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
  expect(plan).toMatch(/Index Scan using position_pkey on "?position"? p/);
});
