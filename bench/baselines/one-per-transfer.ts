/**
 * The ledger's own schema without the writer: one transaction a transfer, in
 * plain SQL, as the application's role. The database's rules are the same (the
 * gapless journal, limits, asset policy), and so are the indexes; the statement
 * is the shortest that can do it, one round trip.
 */
import { systemIds } from "#kernel";
import { type LedgerBook, type TransferLoad, uniformPair } from "../ledger-book.ts";
import { runSqlClients } from "./sql-clients.ts";

const TRANSFER = `INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, effective_at, time)
  SELECT head.next_seq, $1, $2, $3, 'BENCH', 1, 'transfer', 'single', head.now, head.now FROM take_head() AS head`;

/** @returns transfers a second at the best of these client counts */
export async function measureOnePerTransfer(
  book: LedgerBook,
  clientCounts: readonly number[],
  load: Omit<TransferLoad, "clients">,
): Promise<{ perSecond: number; clients: number }> {
  const { appUrl: url, schema } = book.database;
  let best = { perSecond: 0, clients: 0 };
  for (const clients of clientCounts) {
    const { perSecond } = await runSqlClients({ url, schema }, { ...load, clients }, (client) =>
      client.query({
        name: "transfer",
        text: TRANSFER,
        values: [systemIds.uuid(), ...uniformPair(book.accounts)],
      }),
    );
    if (perSecond > best.perSecond) best = { perSecond, clients };
  }
  return best;
}
