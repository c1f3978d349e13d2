/**
 * One ledger: the writer that all changes go through, and the ids of its derived
 * accounts. Reads are ordinary queries (`queries.ts`) and never see a change
 * before it is committed.
 */
import type { Json } from "./json.ts";
import type { AccountSpec, Submitted, Unit } from "./unit.ts";

export interface Ledger {
  /**
   * Queues a unit of work and answers when its batch is committed.
   * @throws DomainError what the unit's `decide` threw; `unavailable` where the database is gone or
   *   the queue is full; `idempotency_key_reused` where its key stands for another request
   */
  submit<R extends Json>(unit: Unit<R>): Promise<Submitted<R>>;
  /** The id of the account of an owner's role: derived, keyed, the same for ever. Does no I/O. */
  accountId(spec: AccountSpec): string;
  /** Ends the writer when what is queued is written. */
  close(): Promise<void>;
}
