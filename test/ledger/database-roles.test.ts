/**
 * What the application's role may do at all, what even the owner of the tables
 * may not, and tables of one's own that stand in for the ledger's.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Attempt, attempt, insertPositions } from "../support/hostile.ts";
import { connect } from "../support/ledger.ts";
import {
  APPEND_ONLY,
  DENIED,
  type HostileWorld,
  line,
  READ_ONLY,
  startHostileWorld,
  tst,
} from "./hostile-world.ts";

let hostile: HostileWorld;
beforeAll(async () => {
  hostile = await startHostileWorld();
});
beforeEach(() => hostile.look());
afterAll(() => hostile.close());

describe("the application's role", () => {
  test.each([...APPEND_ONLY, ...READ_ONLY, "account", "migration"])(
    "cannot change or empty %s",
    async (table) => {
      const { rows } = await hostile.owner.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        [table],
      );
      expect(rows.length).toBeGreaterThan(1);
      for (const { attname } of rows)
        expect(await attempt(hostile.app, `UPDATE ${table} SET "${attname}" = "${attname}"`)).toBe(DENIED);
      expect(await attempt(hostile.app, `DELETE FROM ${table}`)).toBe(DENIED);
      expect(await attempt(hostile.app, `TRUNCATE ${table}`)).toBe(DENIED);
      expect(await attempt(hostile.app, `LOCK ${table} IN ACCESS EXCLUSIVE MODE`)).toBe(DENIED);
    },
  );

  test.each(READ_ONLY)("cannot add to %s", async (table) => {
    expect(await attempt(hostile.app, `INSERT INTO ${table} SELECT * FROM ${table}`)).toBe(DENIED);
    expect(await attempt(hostile.app, `COPY ${table} FROM STDIN`)).toBe(DENIED);
  });

  test("changes nothing of a user but the wallet it named, and removes none", async () => {
    expect(await attempt(hostile.app, "UPDATE owner SET wallet_address = NULL")).toBe("done");
    for (const column of ["id", "salt", "created_at"])
      expect(await attempt(hostile.app, `UPDATE owner SET ${column} = ${column}`)).toBe(DENIED);
    expect(await attempt(hostile.app, "DELETE FROM owner")).toBe(DENIED);
  });

  test.each([
    "SELECT advance_clock(1)",
    "SELECT append_to_journal(0, 0, 1, 0, 0)",
    "SELECT apply_transfers()",
    "INSERT INTO event (seq, time, type, data) VALUES (0, 0, 'a.b', '{}')",
    "SELECT apply_position_changes()",
    "SELECT apply_account_closings()",
    "SELECT apply_chain_lines()",
    "SELECT guard_account()",
    "SELECT refuse_change()",
    "ALTER FUNCTION take_head() RENAME TO taken_head",
    "CREATE OR REPLACE FUNCTION take_head() RETURNS TABLE (next_seq bigint, now bigint) LANGUAGE sql AS 'SELECT 0, 0'",
    "CREATE TABLE mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON transfer EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO transfer DO INSTEAD NOTHING",
    "CREATE INDEX ON transfer (code)",
    "CREATE TEMP TABLE mine () INHERITS (transfer)",
    "ALTER TABLE transfer DISABLE TRIGGER ALL",
    "ALTER TABLE account DROP CONSTRAINT account_within_debit_allowance",
    "DROP TRIGGER append_only ON transfer",
    "DROP TABLE failed_transfer",
    "SET session_replication_role = replica",
    "SET ROLE anchorbook_owner",
    "SET SESSION AUTHORIZATION anchorbook_owner",
    "ALTER ROLE anchorbook_app SUPERUSER",
    "CREATE ROLE mine",
    "COPY account TO PROGRAM 'true'",
    "COPY transfer TO '/tmp/transfer'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT lo_import('/etc/passwd')",
  ])("may not: %s", async (statement) => {
    expect(await attempt(hostile.app, statement)).toBe(DENIED);
  });

  test("cannot grant itself anything", async () => {
    for (const table of [...APPEND_ONLY, ...READ_ONLY, "account"]) {
      const grant: Attempt = [[`GRANT ALL ON ${table} TO anchorbook_app`], [`DELETE FROM ${table}`]];
      expect(await attempt(hostile.app, grant)).toBe(DENIED);
    }
  });

  test("owns nothing, and can do what was granted and no more, for every table and function there is", async () => {
    const owned = await hostile.owner.query(`
      SELECT relname FROM pg_class WHERE relowner = 'anchorbook_app'::regrole
      UNION ALL SELECT proname FROM pg_proc WHERE proowner = 'anchorbook_app'::regrole
      UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = 'anchorbook_app'::regrole`);
    expect(owned.rows).toEqual([]);
    const granted = await hostile.owner.query<{ grant: string }>(
      `SELECT privilege_type || ' ' || table_name AS "grant" FROM information_schema.role_table_grants
       WHERE grantee IN ('anchorbook_app', 'PUBLIC') AND table_schema = $1 AND privilege_type <> 'SELECT'
         AND table_name = ANY ($2) ORDER BY 1`,
      [hostile.books.database.schema, [...APPEND_ONLY, ...READ_ONLY, "account", "owner", "writer"]],
    );
    expect(granted.rows.map((row) => row.grant)).toEqual([
      ...["INSERT account_closing", "INSERT chain_line", "INSERT failed_transfer", "INSERT idempotency"],
      ...["INSERT owner", "INSERT position_change", "INSERT transfer"],
    ]);
    const loose = await hostile.owner.query(
      `SELECT proname FROM pg_proc p WHERE pronamespace = $1::regnamespace AND (
         EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)
         OR (prosecdef AND NOT coalesce(array_to_string(proconfig, ' '), '') ~ ('search_path="?' || $1 || ', ?"?pg_temp"?( |$)')))`,
      [hostile.books.database.schema],
    );
    expect(loose.rows).toEqual([]);
  });
});

describe("history", () => {
  test.each([...APPEND_ONLY, "event"])(
    "of %s cannot be changed by the owner of the tables either",
    async (table) => {
      const { rows } = await hostile.owner.query(`SELECT count(*) AS n FROM ${table}`);
      expect(rows[0].n).toBeGreaterThan(0);
      const [column] = (
        await hostile.owner.query(
          "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1",
          [table],
        )
      ).rows;
      for (const statement of [
        `UPDATE ${table} SET "${column.attname}" = "${column.attname}"`,
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `TRUNCATE ${table} CASCADE`,
        `DELETE FROM ${table} WHERE false`,
      ])
        expect(await attempt(hostile.owner, statement)).toBe("append_only");
    },
  );
});

describe("search_path", () => {
  const SHADOWED = [
    "account",
    "asset",
    "asset_route",
    "event",
    "hold",
    "journal_head",
    "position",
    "section_count",
    "position_change",
  ];

  test.each(["pg_temp, %s", "%s, pg_temp", "pg_temp, %s, public"])(
    "set to '%s' over tables of one's own moves no rule",
    async (path) => {
      const client = await connect(hostile.books.database.appUrl, hostile.books.database);
      const { schema } = hostile.books.database;
      for (const table of SHADOWED)
        await client.query(`CREATE TEMP TABLE ${table} AS SELECT * FROM "${schema}".${table}`);
      await client.query("INSERT INTO pg_temp.asset_route VALUES ('TST', 'available', 'available', false)");
      await client.query("UPDATE pg_temp.account SET debit_allowance = NULL, closed = false");
      await client.query("UPDATE pg_temp.journal_head SET next_seq = 0, time = 0, clock_offset = 1000000000");
      await client.query(
        "CREATE FUNCTION pg_temp.append_to_journal(bigint, bigint, bigint, bigint, bigint) RETURNS void LANGUAGE sql AS ''",
      );
      await client.query(`SET search_path = ${path.replace("%s", `"${schema}"`)}`);
      const into = (what: Attempt): Attempt =>
        (what as [string, ...unknown[]][]).map(([sql, ...values]) => [
          sql.replace(/INSERT INTO (\w+)/, `INSERT INTO "${schema}".$1`),
          ...values,
        ]);
      const { alice, bob, purse, b, a, closed } = hostile.accounts;
      expect(await attempt(client, into(hostile.lines(tst(alice, bob))))).toBe("asset_policy");
      expect(await attempt(client, into(hostile.lines(line(a, closed))))).toBe("asset_policy");
      expect(await attempt(client, into(hostile.lines(line(purse, b, { amount: 6 }))))).toBe(
        "account_within_debit_allowance",
      );
      expect(await attempt(client, into(hostile.lines(line(a, b, { offset: 1 }))))).toBe("journal_gapless");
      expect(await attempt(client, into(hostile.lines(line(a, b, { time: hostile.head.time + 60 }))))).toBe(
        "journal_gapless",
      );
      expect(await attempt(client, into(insertPositions(hostile.head, [{ account: a, index: 5 }])))).toBe(
        "position_next_index",
      );
      expect(await attempt(client, into(hostile.lines(line(a, b))))).toBe("done");
      const account = `INSERT INTO "${schema}".account (id, asset, role, owner, created_at) VALUES ($1, 'TST', 'available', 'eve', 0)`;
      expect(await attempt(client, [[account, randomUUID()]])).toBe("account_limit_required");
      const taken = await client.query(`SELECT next_seq FROM "${schema}".take_head()`);
      expect(taken.rows[0].next_seq).toBe(hostile.head.next_seq);
      await client.end();
    },
  );
});
