/**
 * Adds up what each account did on each day, so that a balance at a past time
 * does not cost the account's history. Never in a writer's transaction; running
 * it twice at once, late, or not for a while changes no answer.
 */
import type { DataSource } from "typeorm";
import { addUpDays as addUp } from "#ledger";

/** Every hour: more often only more rows would be touched for the same lines. */
export const ADD_UP_DAYS_CRON = "20 7 * * * *";

/** @throws what the database throws where it is away */
export async function addUpDays(database: DataSource): Promise<void> {
  await addUp(database);
}
