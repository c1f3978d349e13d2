/**
 * Ends locks, stakes and reservations whose time is over, and holds of balances
 * and of quotas that nobody resolved in time. Running it twice at once, or again after a crash, ends
 * nothing twice; what could not be ended is tried again by the next run.
 */
import type { DataSource } from "typeorm";
import { type Ledger, sweepHolds } from "#ledger";
import type { AccessProgram } from "#programs/access";
import type { QuotaHolds } from "#quota";

/** Every ten seconds: until it has run, a tier outlives its stake. */
export const EXPIRE_CRON = "*/10 * * * * *";

export interface ExpireDeps {
  readonly access: Pick<AccessProgram, "expireDue">;
  readonly holds: Pick<QuotaHolds, "expireDue">;
  readonly ledger: Pick<Ledger, "submit">;
  readonly database: DataSource;
}

/**
 * One that fails keeps none of the others from its work.
 * @throws what the database throws where it is away
 */
export async function expire({ access, holds, ledger, database }: ExpireDeps): Promise<void> {
  const failures: unknown[] = [];
  for (const sweep of [() => access.expireDue(), () => holds.expireDue(), () => sweepHolds(ledger, database)])
    await sweep().catch((error: unknown) => failures.push(error));
  if (failures.length > 1) throw new AggregateError(failures, "several sweeps failed");
  if (failures.length === 1) throw failures[0];
}
