/** What the ledger says of custody against what the contracts hold, once everything final is recorded. */
import { expect } from "vitest";
import { Book } from "#infra";
import type { WatchWorld } from "./watch-world.ts";

/** Rules that hold between the watcher's tables and the journal, in plain SQL: none of these finds a row. */
const WATCHER_RULES: Readonly<Record<string, string>> = {
  "an entry whose credit does not follow its line": `
    SELECT e.entry FROM chain_entry e LEFT JOIN transfer t ON t.seq = e.seq + 1
    WHERE e.credited_as <> 'nothing' AND (t.code, t.amount) IS DISTINCT FROM ('entry_credit', e.amount::base_units)`,
  "a credit without an entry": `
    SELECT t.seq FROM transfer t WHERE t.code = 'entry_credit' AND NOT EXISTS (SELECT FROM chain_entry e WHERE e.seq = t.seq - 1)`,
  "a claim whose transfer does not follow its line": `
    SELECT e.seq FROM chain_event e LEFT JOIN transfer t ON t.seq = e.seq + 1
    WHERE e.event = 'Claimed' AND e.final
      AND (t.code, t.amount::text) IS DISTINCT FROM ('withdrawal_claimed', e.args ->> 'amount')`,
  "an event that says another line than its place has, or a line without its event": `
    SELECT e.tx_hash FROM chain_event e
    JOIN book b ON b.id = e.book
    FULL JOIN chain_line l ON l.tx_hash = decode(substr(e.tx_hash, 3), 'hex') AND l.log_index = e.log_index
      AND l.chain_id = b.chain_id AND l.registry = decode(substr(b.registry, 3), 'hex')
    WHERE e.seq IS DISTINCT FROM l.seq`,
  "a final event that should have a line, here or where it was before a reorg": `
    SELECT e.tx_hash FROM chain_event e
    WHERE e.final AND e.event IN ('EntryMade', 'Claimed', 'ExitDemanded', 'DemandServed', 'WalletCancelled')
      AND NOT EXISTS (SELECT FROM chain_event o
        WHERE (o.book, o.tx_hash, o.event, o.args) = (e.book, e.tx_hash, e.event, e.args) AND o.seq IS NOT NULL)`,
  "claims that are not added up": `
    SELECT c.book FROM chain_cursor c WHERE c.claimed <> (
      SELECT coalesce(sum((e.args ->> 'amount')::numeric), 0) FROM chain_event e
      WHERE e.book = c.book AND e.event = 'Claimed' AND e.seq IS NOT NULL AND NOT e.lost)`,
  "entries with a gap": "SELECT book FROM chain_entry GROUP BY book HAVING count(*) <> max(entry)",
  "a demand that is open where its account may be debited, or the other way round": `
    SELECT a.id FROM account a
    WHERE a.exit_demanded <> EXISTS (SELECT FROM exit_demand d WHERE d.account = a.id AND d.served_at IS NULL)`,
};

/** @param rules also these */
export async function expectCoherentWithChain(
  world: WatchWorld,
  rules: Readonly<Record<string, string>>,
): Promise<void> {
  await world.settlement.run();
  const broken: string[] = [];
  for (const [what, sql] of Object.entries({ ...rules, ...WATCHER_RULES })) {
    const found = await world.rows(sql);
    if (found.length > 0)
      broken.push(
        `${what}: ${JSON.stringify(found.slice(0, 3), (_, value) => (typeof value === "bigint" ? `${value}` : value))}`,
      );
  }
  expect(broken).toEqual([]);
  const [issued] = await world.rows<{ units: bigint }>(
    "SELECT debits_posted - credits_posted AS units FROM account WHERE asset = 'TST' AND role = 'custody'",
  );
  const book = new Book(world.chain, world.record);
  // Everything that came in is credited, so what the ledger owes is what the contracts hold.
  expect((await book.custody()).total).toBe(issued?.units);
}
