/**
 * Gives back a connection whose work failed, and which may still hold locks of its session, or a transaction. Closing it lets
 * go of them as well, but only when Postgres gets to it: whoever tries one of the locks meanwhile would take it that another
 * instance is at work, and leave the work to that one.
 */
import type { PoolClient } from "pg";

const LET_GO = "ROLLBACK; SELECT pg_advisory_unlock_all()";

/** Answers when the locks are free. The connection is closed: nobody knows in what state it is. */
export async function letGo(client: PoolClient): Promise<void> {
  // One that is lost has lost its locks.
  await client.query(LET_GO).catch(() => {});
  client.release(true);
}
