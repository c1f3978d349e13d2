/** Plain Postgres clients for a baseline, one connection each. */
import type { Client } from "pg";
import { createClient } from "#infra";
import { type LoopOptions, type LoopReport, runLoops } from "../load.ts";

/** @param work one transaction on a client's own connection */
export async function runSqlClients(
  database: { readonly url: string; readonly schema?: string },
  options: LoopOptions,
  work: (client: Client) => Promise<unknown>,
): Promise<LoopReport> {
  const clients = Array.from({ length: options.clients }, () =>
    createClient({ ...database, applicationName: "bench-baseline", lockTimeoutMs: 60_000 }),
  );
  try {
    await Promise.all(clients.map((client) => client.connect()));
    return await runLoops(options, async (place) => {
      const client = clients[place];
      if (client) await work(client);
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
