/**
 * Gives back a connection whose work failed, and which may still hold locks of its session, or a transaction. Closing it lets
 * go of them as well, but only when Postgres gets to it: whoever tries one of the locks meanwhile would take it that another
 * instance is at work, and leave the work to that one.
 */
import type { PoolClient, QueryConfig } from "pg";

const LET_GO = "ROLLBACK; SELECT pg_advisory_unlock_all()";
/** A wire that died without a word answers nothing; TCP notices after minutes. */
const WITHIN_MS = 5_000;

/**
 * Answers when the locks are free, or nothing says that they are for so long. The connection is closed: nobody knows in what
 * state it is.
 */
export async function letGo(client: PoolClient, withinMs = WITHIN_MS): Promise<void> {
  // One that is lost has lost its locks. Behind the time pg cuts the connection.
  const statement: QueryConfig & { query_timeout: number } = { text: LET_GO, query_timeout: withinMs };
  await client.query(statement).catch(() => {});
  client.release(true);
}
