/**
 * The access program: TST locked for agreements, staked for tiers, reserved for
 * compute. Promises: instant effect, at most one active lock an agreement and one
 * active stake a user and strategy, everything that ends returns to its holder
 * once. TST is never created and never moves between users.
 */
export { type AccessOptions, AccessProgram, createAccess, type EntityAsked } from "./access.ts";
export { balanceAccount, TREASURY_USER } from "./accounts.ts";
export type {
  ConsumedUnitAnswer,
  GrantAnswer,
  LockAnswer,
  ReservationAnswer,
  SettlementOf,
  SettlementState,
  StakeAnswer,
} from "./answers.ts";
export { accessEntities } from "./entities.ts";
export type { Expired } from "./expire-due.ts";
export { LOCK_DAYS, MAX_LISTED, RESERVATION_DAYS, TST, TST_SUPPLY } from "./model.ts";
export type { AccessAnswer, RequirementsAnswer } from "./views.ts";
