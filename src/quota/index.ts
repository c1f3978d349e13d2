/**
 * Quotas: allowances and usage a user, entity type and UTC day. Promises: Postgres
 * is the truth and the writer the only arbiter; Redis can only deny, and not for
 * longer than a second against the truth. Must not know tiers, reservations or HTTP.
 */
export { consumeQuota, quotaReads, setAllowance, viewQuota } from "./decide.ts";
export {
  commitHold,
  expireHolds,
  extendHold,
  HOLD_SECONDS,
  holdReads,
  MAX_OPEN_HOLDS,
  type ReserveRequest,
  releaseHold,
  reserveQuota,
} from "./decide-holds.ts";
export type { Drift } from "./drift.ts";
export { quotaEntities } from "./entities.ts";
export type { HoldStatus, QuotaHold } from "./hold.ts";
export { QuotaHolds, type QuotaHoldsOptions, type UsedHour } from "./holds.ts";
export type { QuotaKind, QuotaTarget, QuotaUse } from "./model.ts";
export {
  type Consumed,
  type ConsumeRequest,
  createQuota,
  type KindUse,
  QUOTA_GATE_HEADER,
  type Quota,
  type QuotaOptions,
} from "./quota.ts";
export { dateOf } from "./quota-day.ts";
export { createRedisGate } from "./redis-gate.ts";
