/** The one denial, worded alike whether the writer or the gate says it. */
import { DomainError, SECONDS_PER_DAY, toRfc3339 } from "#kernel";
import { type QuotaState, secondsLeftInDay, secondsUntilChange, toUse } from "./model.ts";

/**
 * @returns DomainError `quota_exceeded` with `retryAfterSeconds` until the next 00:00 UTC, or until a hold
 *   ends that would leave room; nothing was consumed
 */
export function quotaExceeded(state: QuotaState, units: number): DomainError {
  const { limit, remaining } = toUse(state);
  const { used, held } = state;
  const resetsAt = toRfc3339((state.day + 1) * SECONDS_PER_DAY);
  return new DomainError(
    "quota_exceeded",
    `${units} more of entity type ${state.entityType} would exceed today's quota of ${limit}, of which ${used} is used${held > 0 ? ` and ${held} is held` : ""}; it starts anew at ${resetsAt}`,
    {
      details: {
        entity_type: state.entityType,
        requested: units,
        quota_today: limit,
        quota_used_today: used,
        quota_held_today: held,
        quota_remaining: remaining,
        resets_at: resetsAt,
      },
      retryAfterSeconds:
        used + units <= limit ? Math.max(1, secondsUntilChange(state)) : secondsLeftInDay(state.now),
    },
  );
}
