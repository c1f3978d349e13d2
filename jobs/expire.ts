/**
 * Ends locks, stakes and reservations whose time is over. Running it twice at
 * once, or again after a crash, ends nothing twice; what could not be ended is
 * tried again by the next run.
 */
import type { AccessProgram, Expired } from "#programs/access";

/** Every ten seconds: until it has run, a tier outlives its stake. */
export const EXPIRE_CRON = "*/10 * * * * *";

/** @throws what the database throws where it is away */
export function expire(access: Pick<AccessProgram, "expireDue">): Promise<Expired> {
  return access.expireDue();
}
