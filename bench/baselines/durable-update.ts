/** The least that a durable write costs: one row, updated and committed by one client. */
import type { Client } from "pg";
import { createClient } from "#infra";
import type { BenchDatabase } from "../stack.ts";

export interface DurableUpdate {
  update(): Promise<unknown>;
  end(): Promise<void>;
}

export async function openDurableUpdate(database: BenchDatabase): Promise<DurableUpdate> {
  const client: Client = createClient({ url: database.ownerUrl, applicationName: "bench-baseline" });
  await client.connect();
  await client.query(
    "CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 10)",
  );
  await client.query("INSERT INTO counter VALUES (1, 0)");
  const statement = { name: "update", text: "UPDATE counter SET value = value + 1 WHERE id = 1" };
  return { update: () => client.query({ ...statement }), end: () => client.end() };
}
