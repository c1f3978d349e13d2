import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "#infra";
import { createWorld, TST, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
  for (const user of ["user_a", "user_b"]) {
    await world.grant(user, 10n * TST);
    await world.settlement.run();
  }
});
afterAll(() => world?.close());

/** What the application's role may do, whatever the application believes. */
async function attempt(url: string, statement: string): Promise<string> {
  const client = createClient({ url, schema: world.database.schema, applicationName: "rules-test" });
  await client.connect();
  try {
    await client.query("BEGIN");
    await client.query(statement);
    // Rules that hold at the end of a transaction, without ending it.
    await client.query("SET CONSTRAINTS ALL IMMEDIATE");
    return "done";
  } catch (error) {
    return (error as { constraint?: string }).constraint ?? (error as { code: string }).code;
  } finally {
    await client.query("ROLLBACK");
    await client.end();
  }
}

const EPOCH = `INSERT INTO epoch (book, number, header, header_hash, journal_size, leaves_changed, closed_at)
  SELECT book, NUMBER, header, '0x${"ab".repeat(32)}', SIZE, 0, CLOSED FROM epoch WHERE number = 2`;
const epoch = (number: string, size: string, closed: string) =>
  EPOCH.replace("NUMBER", number).replace("SIZE", size).replace("CLOSED", closed);
const leaf = (number: number) =>
  `INSERT INTO leaf (book, section, index, epoch, owner, key, amount, valid_until, kind, quantity)
   SELECT book, section, index, ${number}, owner, key, amount + 1, valid_until, kind, quantity FROM leaf LIMIT 1`;
const checkpoint = (size: string) =>
  `INSERT INTO log_checkpoint SELECT ${size}, root, note, verifier_key, 0 FROM log_checkpoint ORDER BY size DESC LIMIT 1`;
const tile = (level: number, index: number, hashes: number) =>
  `INSERT INTO log_tile VALUES (${level}, ${index}, decode(repeat('00', ${32 * hashes}), 'hex'))`;
const cosignature = (size: string) => `INSERT INTO log_cosignature
  SELECT ${size}, 'w', '\\x00000000', 5, 'line' FROM log_checkpoint LIMIT 1`;
const COSIGNED = cosignature("size");
const DENIED = "42501";

describe("settlement's tables", () => {
  it.each([
    ["change a header", "UPDATE epoch SET header = '{}'", DENIED],
    ["change a header's hash", `UPDATE epoch SET header_hash = '0x${"00".repeat(32)}'`, DENIED],
    ["change an epoch's size", "UPDATE epoch SET journal_size = 1", DENIED],
    ["remove an epoch", "DELETE FROM epoch", DENIED],
    ["change a leaf", "UPDATE leaf SET amount = 0", DENIED],
    ["remove a leaf", "DELETE FROM leaf", DENIED],
    ["empty the leaves", "TRUNCATE leaf", DENIED],
    ["take a closed epoch's leaves for none", "DELETE FROM leaf_page", DENIED],
    ["name an epoch that leaves wait for", "INSERT INTO leaf_page VALUES (1, 9, 0, 7, '{7}')", DENIED],
    ["change what is to be sent", "UPDATE outbox SET calldata = '0x00'", DENIED],
    ["remove what is to be sent", "DELETE FROM outbox", DENIED],
    ["forget a signed transaction", "DELETE FROM settlement_tx", DENIED],
    ["change a signed transaction", "UPDATE settlement_tx SET raw = '0x00'", DENIED],
    ["change a book", `UPDATE book SET token = '0x${"00".repeat(20)}'`, DENIED],
    ["put a signature in another's name", "UPDATE attestation SET attester = attester", DENIED],
    ["forget a veto", "DELETE FROM vetoed_epoch", DENIED],
    [
      "release what was not vetoed",
      "SELECT release_vetoed(book, number, header_hash) FROM epoch WHERE number = 2",
      "epoch_vetoed",
    ],
    [
      "release what became final",
      "UPDATE epoch SET status = 'vetoed'; SELECT release_vetoed(book, 1, header_hash) FROM epoch WHERE number = 1",
      "epoch_vetoed",
    ],
    [
      "continue a vetoed epoch",
      `UPDATE epoch SET status = 'vetoed' WHERE number = 2; ${epoch("3", "journal_size", "closed_at")}`,
      "epoch_continues",
    ],
    ["make up a status", "UPDATE epoch SET status = 'paid'", "epoch_status_check"],
    ["leave out an epoch", epoch("4", "journal_size", "closed_at"), "epoch_continues"],
    ["repeat an epoch", epoch("2", "journal_size", "closed_at"), "epoch_continues"],
    ["close over lines that are not there", epoch("3", "journal_size + 1", "closed_at"), "epoch_continues"],
    ["close over less than before", epoch("3", "journal_size - 1", "closed_at"), "epoch_continues"],
    ["close before the epoch before", epoch("3", "journal_size", "closed_at - 1"), "epoch_continues"],
    [
      "add a leaf to a closed epoch",
      leaf(2).replace("LIMIT 1", "WHERE epoch = 1 AND index = 1 LIMIT 1"),
      "leaf_of_open_epoch",
    ],
    ["add a leaf to an epoch to come", leaf(9), "leaf_of_open_epoch"],
    ["leave a leaf without closing its epoch", leaf(3), "leaf_epoch_is_closed"],
    [
      "write more leaves at once than a page names",
      leaf(3)
        .replace("section, index, 3", "section, index + n, 3")
        .replace("FROM leaf LIMIT 1", "FROM (SELECT * FROM leaf LIMIT 1) l, generate_series(10, 1034) n"),
      "leaf_page_indexes_check",
    ],
    [
      "leave a leaf without its epoch by deferring the rule",
      `SET CONSTRAINTS ALL DEFERRED; ${leaf(3)}`,
      "leaf_epoch_is_closed",
    ],
    ["change a checkpoint", "UPDATE log_checkpoint SET root = root", DENIED],
    ["remove a checkpoint", "DELETE FROM log_checkpoint", DENIED],
    ["sign a size twice", checkpoint("size"), "log_checkpoint_pkey"],
    ["sign less than before", checkpoint("size - 1"), "log_checkpoint_follows"],
    ["sign lines that are not there", checkpoint("size + 1"), "log_checkpoint_follows"],
    ["remove a tile", "DELETE FROM log_tile", DENIED],
    ["move a tile", "UPDATE log_tile SET index = index + 1", DENIED],
    ["shorten a tile", "UPDATE log_tile SET hashes = substr(hashes, 33)", "log_tile_grows"],
    ["cut a tile's end", "UPDATE log_tile SET hashes = substr(hashes, 1, 32)", "log_tile_grows"],
    [
      "change a tile",
      "UPDATE log_tile SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0))",
      "log_tile_grows",
    ],
    ["write a tile after one that is not full", tile(0, 1, 1), "log_tile_follows"],
    ["write half a hash", "UPDATE log_tile SET hashes = hashes || '\\x00'", "log_tile_hashes_check"],
    ["write a tile above all levels", tile(8, 0, 1), "log_tile_level_check"],
    ["write a tile that is too wide", tile(1, 0, 257), "log_tile_hashes_check"],
    ["cosign what was not signed", cosignature("1"), "log_cosignature_size_fkey"],
    ["take back a cosignature", "DELETE FROM log_cosignature", DENIED],
    ["say that another saw it", `${COSIGNED}; UPDATE log_cosignature SET name = 'v'`, DENIED],
    [
      "let a witness have seen it earlier",
      `${COSIGNED}; UPDATE log_cosignature SET time = 4`,
      "log_cosignature_later",
    ],
  ])("do not let the application %s", async (_, statement, answer) => {
    expect(await attempt(world.database.appUrl, statement)).toBe(answer);
  });

  it.each([
    ...["UPDATE leaf SET amount = 0", "DELETE FROM leaf", "DELETE FROM settlement_tx"],
    ...["UPDATE leaf_page SET epoch = 9", "DELETE FROM leaf_page", "DELETE FROM outbox"],
    ...["DELETE FROM attestation"],
    ...["DELETE FROM log_tile", "UPDATE log_checkpoint SET note = ''", "TRUNCATE log_cosignature"],
  ])("do not let their owner: %s", async (statement) => {
    expect(await attempt(world.database.ownerUrl, statement)).toBe("append_only");
  });
});
