/** A connection that several asynchronous tasks use: each statement is sent when the one before is answered. */
import type { ClientBase } from "pg";
import { Mutex } from "./mutex.ts";

type Query = ClientBase["query"];

export function inTurn(client: Pick<ClientBase, "query">): Pick<ClientBase, "query"> {
  const turns = new Mutex();
  const send = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  return { query: ((...args: unknown[]) => turns.run(() => send(...args))) as Query };
}
