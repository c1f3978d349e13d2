/**
 * The turn of a book to write to the log that all books of its ledger share. It is asked for again and again: a statement that
 * waited would end with the connection's lock_timeout, and another book may close an epoch for minutes. A holder that is gone
 * has no lock.
 */
import { setTimeout as wait } from "node:timers/promises";
import { DomainError } from "#kernel";
import { firstRow, type Queryable, SQL } from "./sql.ts";

const POLL_MS = 50;

/** Answers with the lock taken. @throws DomainError `unavailable`, without it, where `stop` ends the waiting */
export async function waitForLog(client: Queryable, stop: AbortSignal): Promise<void> {
  while (!(await firstRow<{ locked: boolean }>(client, SQL.lockLog))?.locked) {
    if (stop.aborted) throw new DomainError("unavailable", "The server is stopping");
    await wait(POLL_MS);
  }
}
