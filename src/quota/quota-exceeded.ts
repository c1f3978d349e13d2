/** The one denial, worded alike whether the writer or the gate says it. */
import { DomainError, SECONDS_PER_DAY, toRfc3339 } from "#kernel";
import { type QuotaState, secondsLeftInDay, toUse } from "./model.ts";

/**
 * @returns DomainError `quota_exceeded` with `retryAfterSeconds` until the next 00:00 UTC; nothing
 *   was consumed
 */
export function quotaExceeded(state: QuotaState, units: number): DomainError {
  const { limit, used, remaining } = toUse(state);
  const resetsAt = toRfc3339((state.day + 1) * SECONDS_PER_DAY);
  return new DomainError(
    "quota_exceeded",
    `${units} more of entity type ${state.entityType} would exceed today's quota of ${limit}, of which ${used} is used; it starts anew at ${resetsAt}`,
    {
      details: {
        entity_type: state.entityType,
        requested: units,
        quota_today: limit,
        quota_used_today: used,
        quota_remaining: remaining,
        resets_at: resetsAt,
      },
      retryAfterSeconds: secondsLeftInDay(state.now),
    },
  );
}
