/**
 * Looks at the chain: what is new in the contracts' events, what is final now and so counts. Another instance that is at
 * it is left to it; where the chain does not answer, the next look goes on.
 */
import type { Settlement } from "#settlement";

/** Every two seconds: on a chain with a block in twelve most looks find nothing, and cost one question. */
export const WATCH_CRON = "*/2 * * * * *";

/** @throws DomainError `unavailable` where the chain does not answer, or contradicts itself */
export async function watch({ watcher }: Pick<Settlement, "watcher">): Promise<void> {
  await watcher?.follow();
}
