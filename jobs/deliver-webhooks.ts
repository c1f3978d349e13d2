/**
 * Begins the deliveries to webhooks that are due: retries whose wait is over, and
 * what other processes wrote. What this process writes itself is delivered at
 * once. Endpoints that another process has in hand are left to it.
 */
import type { Events } from "#events";

/** Every second: the first retry waits about as long. */
export const DELIVER_WEBHOOKS_CRON = "* * * * * *";

/** @throws what the database throws where it is away */
export function deliverWebhooks(events: Pick<Events, "deliver">): Promise<void> {
  return events.deliver();
}
