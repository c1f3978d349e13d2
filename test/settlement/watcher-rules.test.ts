/** What the database lets nobody do with what came from the chain, whatever the application believes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mined } from "../support/mined.ts";
import { createWatchWorld, TOKENS, type WatchWorld } from "./watch-world.ts";

let world: WatchWorld;

beforeAll(async () => {
  world = await createWatchWorld();
  const anna = await world.person("anna");
  await world.withTokens(anna, 50n * TOKENS);
  await mined(world.vault(anna).getFunction("deposit")(2n * TOKENS));
  await mined(world.vault(anna).getFunction("deposit")(3n * TOKENS));
  await world.settlement.run();
  await world.demandExit(anna, "balances", world.position("balances", "anna"));
  await world.settlement.run();
});
afterAll(() => world?.close());

async function attempt(statement: string): Promise<string> {
  const client = await world.pool.connect();
  try {
    await client.query("BEGIN");
    await client.query(statement);
    return "done";
  } catch (error) {
    return (error as { constraint?: string }).constraint ?? (error as { code: string }).code;
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
}

const DENIED = "42501";
const ENTRY = `INSERT INTO chain_entry (book, entry, tx_hash, log_index, seq, depositor, amount, owner_id, credited_as, holding_id)
  SELECT book, ENTRY, tx_hash, log_index, SEQ, depositor, amount, OWNER, AS, NULL FROM chain_entry WHERE entry = 2`;
const entry = (number: string, seq: string, owner = "owner_id", as = "credited_as") =>
  ENTRY.replace("ENTRY", number).replace("SEQ", seq).replace("OWNER", owner).replace(" AS,", ` ${as},`);
/** The line of another entry, with its credit behind it, then a row that says something else of them. */
const newEntry = (registry: string, amount: string) => `
  SELECT take_head();
  INSERT INTO chain_line (seq, time, chain_id, registry, block, tx_hash, log_index, event)
    SELECT h.next_seq, h.time, l.chain_id, ${registry}, l.block, l.tx_hash, l.log_index + 1000, l.event
    FROM journal_head h, chain_line l JOIN chain_entry e ON e.seq = l.seq AND e.entry = 2;
  INSERT INTO transfer SELECT r.* FROM journal_head h, transfer t JOIN chain_entry e ON t.seq = e.seq + 1 AND e.entry = 2,
    jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'seq', h.next_seq, 'time', h.time)) AS r;
  INSERT INTO chain_event SELECT r.* FROM journal_head h, chain_event e JOIN chain_entry n ON n.seq = e.seq AND n.entry = 2,
    jsonb_populate_record(e, jsonb_build_object('log_index', e.log_index + 1000, 'seq', h.next_seq - 2)) AS r;
  INSERT INTO chain_entry (book, entry, tx_hash, log_index, seq, depositor, amount, owner_id, credited_as)
    SELECT e.book, 3, e.tx_hash, e.log_index + 1000, h.next_seq - 2, e.depositor, ${amount}, e.owner_id, e.credited_as
    FROM journal_head h, chain_entry e WHERE e.entry = 2`;
const DEMAND = `INSERT INTO exit_demand (book, section, index, seq, account, key, owner, amount, due, block)
  SELECT book, section, index, seq + 1000, account, key, owner, amount, due, block FROM exit_demand`;

describe("nobody can", () => {
  it.each([
    ["change what an event said", "UPDATE chain_event SET args = '{}'", DENIED],
    [
      "move a final event to another block",
      "UPDATE chain_event SET block = block + 1 WHERE seq IS NOT NULL",
      "chain_event_stays",
    ],
    ["take finality back", "UPDATE chain_event SET final = false WHERE seq IS NOT NULL", "chain_event_stays"],
    [
      "take an event's line away",
      "UPDATE chain_event SET seq = NULL WHERE seq IS NOT NULL",
      "chain_event_stays",
    ],
    [
      "give two events one line",
      "UPDATE chain_event SET seq = 1 WHERE event = 'EpochCommitted'",
      "chain_event_line",
    ],
    [
      "lose what never counted",
      "UPDATE chain_event SET lost = true WHERE seq IS NULL",
      "chain_event_lost_with_line",
    ],
    ["forget what has its line", "DELETE FROM chain_event WHERE seq IS NOT NULL", "chain_event_stays"],
    ["empty the events", "TRUNCATE chain_event CASCADE", DENIED],
    ["credit an entry again", entry("2", "seq + 1"), "chain_entry_in_order"],
    ["leave an entry out", entry("4", "seq + 1"), "chain_entry_in_order"],
    ["credit an entry without its line", entry("3", "seq + 1"), "chain_entry_in_order"],
    ["credit an entry by another's line", entry("3", "seq"), "chain_entry_in_order"],
    ["credit another amount than an entry's", newEntry("l.registry", "e.amount + 1"), "chain_entry_amount"],
    [
      "credit an entry by the line of another book's",
      newEntry("decode(repeat('07', 20), 'hex')", "e.amount"),
      "custody_entry_line",
    ],
    ["change an entry", "UPDATE chain_entry SET amount = 1", DENIED],
    ["forget an entry", "DELETE FROM chain_entry", DENIED],
    ["put a demand off", "UPDATE exit_demand SET due = due + 1", DENIED],
    ["sweep less than before", "UPDATE exit_demand SET swept = 0", "exit_demand_transition"],
    [
      "serve a demand by a line before its own",
      "UPDATE exit_demand SET served_at = 1, served_seq = 0",
      "exit_demand_served",
    ],
    ["open a second demand", DEMAND, "exit_demand_open"],
    ["forget a demand", "DELETE FROM exit_demand", DENIED],
    [
      "move the cursor past what was seen",
      "UPDATE chain_cursor SET final_block = seen_block + 1",
      "chain_cursor_order",
    ],
    ["begin the cursor of another book", "UPDATE chain_cursor SET book = 2", DENIED],
  ])("%s", async (_, statement, refusal) => {
    expect(await attempt(statement)).toBe(refusal);
  });

  it("but credit the next entry behind its line", async () => {
    expect(await attempt(newEntry("l.registry", "e.amount"))).toBe("done");
  });

  it("and what is not final can be forgotten, as a chain forgets it", async () => {
    expect(await attempt("DELETE FROM chain_event WHERE seq IS NULL")).toBe("done");
  });
});
