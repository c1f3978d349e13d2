/**
 * Sends what a client is asked in one write to its socket. By itself the driver
 * makes a write for every statement, and a system call costs as much as Postgres
 * takes for a small one.
 */
import type { Client } from "pg";

/** @param ask issues queries of a pipelining client and does not wait for their answers */
export function sendTogether<T>(client: Client, ask: () => T): T {
  const { stream } = client.connection;
  stream.cork();
  try {
    return ask();
  } finally {
    stream.uncork();
  }
}
