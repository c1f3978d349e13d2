/** How everything stands after a round: the tables against the model, row by row. */
import type { Books } from "./books.ts";
import { Disagreement, show } from "./judge.ts";
import type { Model } from "./model/model.ts";

/** Each answers (key, text) of all that there is; the model says the same below. */
const TABLES = {
  accounts: `SELECT id::text AS key, concat_ws('/', debits_posted, credits_posted, debits_pending, credits_pending,
    CASE WHEN closed THEN 'closed' END) AS text FROM account`,
  holds: "SELECT transfer_id::text AS key, amount::text AS text FROM hold",
  failed: "SELECT id::text AS key, code AS text FROM failed_transfer",
  locks: `SELECT agreement_id AS key, concat_ws('/', user_id, amount, locked_until, level,
    locker_asks_end::int, counterparty_asks_end::int) AS text FROM access_lock WHERE status = 'locked'`,
  stakes: `SELECT user_id || '/' || strategy_id AS key, concat_ws('/', tier, amount, expires_at) AS text
    FROM access_stake WHERE status = 'staked'`,
  reservations: `SELECT id AS key, concat_ws('/', user_id, entity_type, entity_id, reserved_until) AS text
    FROM access_reservation WHERE status = 'reserved'`,
  usage: "SELECT concat_ws('/', user_id, entity_type, day) AS key, used::text AS text FROM usage",
  quota_holds: `SELECT id AS key, concat_ws('/', user_id, entity_type, day, status, units, expires_at, committed) AS text
    FROM quota_hold`,
  allowances:
    "SELECT concat_ws('/', user_id, entity_type) AS key, quota_per_day::text AS text FROM allowance",
  positions: `SELECT account::text AS key, concat_ws('/', section, valid_until, kind, quantity) AS text FROM position`,
} as const;
type Table = keyof typeof TABLES;

const SQL = Object.entries(TABLES)
  .map(([name, sql]) => `SELECT '${name}' AS part, key, text FROM (${sql}) AS t`)
  .join("\nUNION ALL\n");

/** @throws Disagreement with the first rows that differ */
export async function compareState(books: Books, model: Model): Promise<void> {
  const rows = (await books.rows(SQL)) as unknown as { part: Table; key: string; text: string }[];
  const expected = stateOf(model);
  const wrong: string[] = [];
  for (const { part, key, text } of rows) {
    const said = expected[part].get(key);
    if (said !== text) wrong.push(`${part} ${key}: ${text}, expected ${said ?? "nothing"}`);
    expected[part].delete(key);
  }
  for (const [part, missing] of Object.entries(expected))
    for (const [key, text] of missing) wrong.push(`${part} ${key}: nothing, expected ${text}`);
  if (wrong.length > 0) throw new Disagreement(`the tables differ: ${show(wrong.slice(0, 5))}`);
}

function stateOf({ ledger, access }: Model): Record<Table, Map<string, string>> {
  return {
    accounts: texts(ledger.accounts, (one) =>
      [one.debits, one.credits, one.debitsHeld, one.creditsHeld, ...(one.closed ? ["closed"] : [])].join("/"),
    ),
    holds: texts(ledger.holds, (one) => (one.state === "pending" ? String(one.amount) : null)),
    failed: texts(ledger.failed, (code) => code),
    locks: texts(access.locks, (one) =>
      one.status === "locked"
        ? [one.userId, one.amount, one.until, one.level, +one.lockerAsks, +one.counterpartyAsks].join("/")
        : null,
    ),
    stakes: texts(access.stakes, (one) =>
      one.status === "staked" ? [one.tier, one.amount, one.until].join("/") : null,
    ),
    reservations: texts(access.reservations, (one) =>
      one.status === "reserved" ? [one.userId, one.entityType, one.entityId, one.until].join("/") : null,
    ),
    usage: texts(access.quotas.usage, String),
    quota_holds: new Map(
      [...access.quotas.holds.values()].map((one) => [
        one.id,
        [one.of, one.status, one.units, one.until, ...(one.committed === null ? [] : [one.committed])].join(
          "/",
        ),
      ]),
    ),
    allowances: texts(access.quotas.allowances, String),
    positions: texts(access.positions, (one) =>
      [one.section, one.validUntil, one.kind, one.quantity].join("/"),
    ),
  };
}

function texts<T>(rows: ReadonlyMap<string, T>, textOf: (row: T) => string | null): Map<string, string> {
  const pairs = [...rows].map(([key, row]) => [key, textOf(row)] as const);
  return new Map(pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null));
}
