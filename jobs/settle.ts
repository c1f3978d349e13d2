/**
 * Closes an epoch where the journal grew, and brings it to the chain. Another
 * instance that is at it is left to it; a chain that is down is no failure of
 * users' requests, the next run goes on.
 */
import type { Settlement } from "#settlement";

/** @throws DomainError `unavailable` where the chain is down */
export function settle(settlement: Pick<Settlement, "settle">): Promise<void> {
  return settlement.settle();
}
