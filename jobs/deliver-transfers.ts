/**
 * Begins to bring transfers to other ledgers to their end: what a process that is
 * gone left between two steps, and what waited for the other ledger. What this
 * process accepts itself is begun at once.
 */
import type { InterLedger } from "#inter-ledger";

/** Every second: about as long as a sender should wait after a kill. */
export const DELIVER_TRANSFERS_CRON = "* * * * * *";

/** @throws what the database throws where it is away */
export function deliverTransfers(interLedger: Pick<InterLedger, "deliver">): Promise<void> {
  return interLedger.deliver();
}
