/** Plain SQL against the ledger as one of its roles: what the database answers, with nothing left behind. */
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { constraintName, sqlState } from "#infra";

/** A statement, or several with their values, run one after the other in a transaction that is taken back. */
export type Attempt = string | readonly (readonly [sql: string, ...values: unknown[]])[];

/**
 * The first refusal, as the name of the rule or else the SQLSTATE; "done" where all of it was let through.
 * Statements like `COPY … FROM STDIN` that wait for input are refused before that, or never.
 */
export async function attempt(client: Client, what: Attempt): Promise<string> {
  const statements: readonly (readonly [string, ...unknown[]])[] = typeof what === "string" ? [[what]] : what;
  await client.query("BEGIN");
  try {
    for (const [sql, ...values] of statements) await client.query(sql, values);
    return "done";
  } catch (error) {
    return constraintName(error) ?? sqlState(error) ?? String(error);
  } finally {
    await client.query("ROLLBACK");
  }
}

export interface Line {
  readonly id?: string;
  readonly debit_account: string;
  readonly credit_account: string;
  readonly asset?: string;
  readonly amount?: string | bigint | number;
  readonly code?: string;
  readonly phase?: string;
  readonly pending_id?: string;
  readonly expires_at?: number;
  readonly effective_at?: number;
  readonly time?: number;
  /** Places after the head's; default the line's own place in the list. */
  readonly offset?: number;
}

/** One INSERT of lines that continue the journal, with everything right that a line does not say. */
export function insertLines(head: { next_seq: number; time: number }, lines: readonly Line[]): Attempt {
  const records = lines.map((line, place) => {
    const { offset = place, ...members } = line;
    return {
      ...{ id: randomUUID(), asset: "USD", amount: 1, code: "x", phase: "single", time: head.time },
      ...{ effective_at: head.time, seq: head.next_seq + offset },
      ...members,
    };
  });
  return [[INSERT_LINES, JSON.stringify(records, asText)]];
}

const INSERT_LINES = `
  INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, pending_id, expires_at,
    effective_at, time)
  SELECT seq, id, debit_account, credit_account, asset, amount::numeric, code, phase, pending_id, expires_at,
    effective_at, time
  FROM jsonb_to_recordset($1) AS t (seq bigint, id uuid, debit_account uuid, credit_account uuid, asset text,
    amount text, code text, phase text, pending_id uuid, expires_at bigint, effective_at bigint, time bigint)`;

function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** One INSERT of a chain event that continues the journal, with everything right that it does not say. */
export function insertChainLine(
  head: { next_seq: number; time: number },
  line: { event?: string; account?: string; logIndex?: number; block?: number; registry?: string } = {},
): Attempt {
  const { event = "Claimed", account = null, logIndex = 0, block = 1, registry = "05" } = line;
  return [
    [
      `INSERT INTO chain_line (seq, time, chain_id, registry, block, tx_hash, log_index, event, account)
       VALUES ($1, $2, 1, decode(repeat($7, 20), 'hex'), $3, decode(repeat('ab', 32), 'hex'), $4, $5, $6)`,
      ...[head.next_seq, head.time, block, logIndex, event, account, registry],
    ],
  ];
}

/** One INSERT of closings that continue the journal. */
export function insertClosings(
  head: { next_seq: number; time: number },
  accounts: readonly string[],
): Attempt {
  return [
    [
      `INSERT INTO account_closing (seq, time, account)
       SELECT $1 + place - 1, $2, account FROM unnest($3::uuid[]) WITH ORDINALITY AS a (account, place)`,
      ...[head.next_seq, head.time, accounts],
    ],
  ];
}

export interface PositionRow {
  readonly account: string;
  readonly asset?: string;
  readonly section?: number;
  readonly index?: number;
  /** One byte, repeated to 32. */
  readonly key?: number;
}

/** One INSERT of position lines that continue the journal. */
export function insertPositions(
  head: { next_seq: number; time: number },
  rows: readonly PositionRow[],
): Attempt {
  const columns = rows.map((row, place) => ({
    ...{ asset: "USD", section: 0, index: 0, key: 1, seq: head.next_seq + place },
    ...row,
  }));
  return [
    [
      `INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity)
       SELECT seq, $2, account, asset, section, index, decode(repeat(lpad(to_hex(key), 2, '0'), 32), 'hex'),
         decode(repeat('00', 20), 'hex'), 0, 0, 0
       FROM jsonb_to_recordset($1) AS t (seq bigint, account uuid, asset text, section smallint, index bigint, key int)`,
      JSON.stringify(columns),
      head.time,
    ],
  ];
}
