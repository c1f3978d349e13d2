/**
 * Has due holds expire as journal lines where no request comes that would do it:
 * every batch expires what is due before it decides anything, so an empty unit
 * is enough.
 */
import type { DataSource } from "typeorm";
import type { Ledger } from "./ledger.ts";
import { statement } from "./sql-text.ts";

const SQL = { anyDue: statement("any-due-hold") } as const;

/** @returns whether there was anything to expire */
export async function sweepHolds(ledger: Pick<Ledger, "submit">, database: DataSource): Promise<boolean> {
  const [row]: { due: boolean }[] = await database.query(SQL.anyDue.text);
  if (!row?.due) return false;
  await ledger.submit({ name: "sweep-holds", decide: () => null });
  return true;
}
