/**
 * A second connection for whoever holds one: Postgres works for both at the same time. Only one that is free at once is
 * taken, since holders that wait for a second one would wait for each other for ever.
 */
import type { Pool, PoolClient } from "pg";
import type { Queryable } from "./sql.ts";

/** Null where the pool has none to give now. */
export function connectionBeside(pool: Pool): Promise<PoolClient> | null {
  const isFree = pool.idleCount > 0 || pool.totalCount < pool.options.max;
  return isFree && pool.waitingCount === 0 ? pool.connect() : null;
}

/** Gives the connection back; where there is none after all, `otherwise` does the work. */
export async function beside<T>(
  connection: Promise<PoolClient>,
  otherwise: Queryable,
  work: (db: Queryable) => Promise<T>,
): Promise<T> {
  const client = await connection.catch(() => null);
  if (!client) return work(otherwise);
  let broken = true;
  try {
    const answer = await work(client);
    broken = false;
    return answer;
  } finally {
    // It may still have statements to do that nobody waits for.
    client.release(broken);
  }
}
