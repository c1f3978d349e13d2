/**
 * Brings closed epochs further: commits what a chain that was down has missed,
 * finalizes what may become final, sends again what a reorg took back. Closes
 * no epoch.
 */
import type { Settlement } from "#settlement";

/** Every half minute, at a second of its own: cheap where there is nothing to do. */
export const FINALIZE_CRON = "20,50 * * * * *";

/** @throws DomainError `unavailable` where the chain is down */
export function finalize(settlement: Pick<Settlement, "advance">): Promise<void> {
  return settlement.advance();
}
