import type { Client } from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createClient } from "#infra";
import { Flight } from "../../src/settlement/flight.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = createClient({ url: database.appUrl, schema: database.schema, applicationName: "flight.test" });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

it("tells what failed first, although what follows from it is waited for sooner", async () => {
  const flight = new Flight();
  await client.query("BEGIN");
  flight.add(client.query("SELECT 1"));
  flight.add(client.query("SELECT 1 / 0"));
  flight.add(client.query("SELECT 'two'::int"));
  const error = await client.query("SELECT 2").catch((failed: unknown) => failed);
  expect(error).toMatchObject({ code: "25P02" });
  expect(flight.causeOf(error)).toMatchObject({ code: "22012" });
  await expect(flight.landed()).rejects.toMatchObject({ code: "22012" });
  await client.query("ROLLBACK");
});

it("has landed only when the last has answered", async () => {
  const flight = new Flight();
  flight.add(client.query("SELECT 1"));
  flight.add(client.query("SELECT 1 / 0"));
  await expect(flight.landed()).rejects.toMatchObject({ code: "22012" });
});

it("has nothing to tell where all did what it should", async () => {
  const flight = new Flight();
  flight.add(client.query("SELECT 1"));
  await flight.landed();
  const error = new Error("something else");
  expect(flight.causeOf(error)).toBe(error);
});
