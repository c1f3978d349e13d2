/**
 * Writes what a batch decided, with one statement a table, all of them sent at
 * once, and none before all could be made. The order matters: accounts before the
 * lines that touch them, lines before the positions that follow them in the journal.
 */
import type { Client } from "pg";
import type { UnixSeconds } from "#kernel";
import { SECTIONS } from "#proof";
import type { Json } from "./json.ts";
import type { Writes } from "./layer.ts";
import type { Account, Transfer } from "./model.ts";
import type { AnyRowTable } from "./row-table.ts";
import { type Statement, statement } from "./sql-text.ts";

const SQL = {
  owners: statement("save-owners"),
  wallets: statement("save-wallets"),
  accounts: statement("save-accounts"),
  transfers: statement("save-transfers"),
  positions: statement("save-positions"),
  failed: statement("save-failed"),
  events: statement("save-events"),
  idempotency: statement("save-idempotency"),
} as const;

export interface StoredOutcome {
  readonly principal: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly outcome: Json;
}

/** @param firstSeq the head's next place in the journal */
export function saveBatch(
  client: Client,
  writes: Writes,
  outcomes: readonly StoredOutcome[],
  firstSeq: number,
  now: UnixSeconds,
): Promise<unknown>[] {
  const statements: (Statement & { values: unknown[] })[] = [];
  const send = (sql: Statement, values: unknown[]) => statements.push({ ...sql, values });
  const { newOwners, wallets, accounts, transfers, positions, failed, events } = writes;
  if (newOwners.length > 0)
    send(SQL.owners, [newOwners.map((o) => o.id), newOwners.map((o) => bytea(o.salt)), now]);
  if (wallets.size > 0) send(SQL.wallets, [[...wallets.keys()], [...wallets.values()].map(bytea)]);
  if (accounts.length > 0) send(SQL.accounts, accountColumns(accounts));
  if (transfers.length > 0) send(SQL.transfers, transferColumns(transfers, firstSeq));
  if (positions.length > 0) {
    send(SQL.positions, [
      positions.map((_, place) => firstSeq + transfers.length + place),
      positions.map(() => now),
      positions.map((p) => p.account),
      positions.map((p) => p.asset),
      positions.map((p) => SECTIONS.indexOf(p.section)),
      positions.map((p) => p.index),
      positions.map((p) => bytea(p.key)),
      positions.map((p) => bytea(p.owner)),
      positions.map((p) => p.validUntil),
      positions.map((p) => p.kind),
      positions.map((p) => p.quantity),
    ]);
  }
  for (const [table, rows] of rowsByTable(writes)) {
    const values = [JSON.stringify(rows.map((row) => table.encode(row)))];
    send({ name: `save-${table.name}`, text: table.saveSql }, values);
  }
  if (failed.length > 0) send(SQL.failed, [failed.map((f) => f.id), failed.map((f) => f.code), now]);
  if (events.length > 0)
    send(SQL.events, [
      events.map((e) => e.type),
      events.map((e) => e.subject),
      events.map((e) => JSON.stringify(e.data)),
    ]);
  if (outcomes.length > 0) {
    send(SQL.idempotency, [
      outcomes.map((o) => o.principal),
      outcomes.map((o) => o.key),
      outcomes.map((o) => o.fingerprint),
      outcomes.map((o) => JSON.stringify(o.outcome)),
      now,
    ]);
  }
  return statements.map((one) => client.query(one));
}

function rowsByTable(writes: Writes): Map<AnyRowTable, object[]> {
  const byTable = new Map<AnyRowTable, object[]>();
  for (const { table, row } of writes.rows.values()) {
    const rows = byTable.get(table) ?? [];
    byTable.set(table, rows);
    rows.push(row);
  }
  // By name, so that a rule between two tables sees them in one order in every batch (allowance before usage).
  return new Map([...byTable].sort(([a], [b]) => (a.name < b.name ? -1 : 1)));
}

function accountColumns(accounts: readonly Account[]): unknown[] {
  return [
    accounts.map((a) => a.id),
    accounts.map((a) => a.asset),
    accounts.map((a) => a.role),
    accounts.map((a) => a.owner),
    accounts.map((a) => a.reference),
    accounts.map((a) => a.debitAllowance),
    accounts.map((a) => a.creditAllowance),
    accounts.map((a) => jsonb(a.metadata)),
    accounts.map((a) => a.createdAt),
  ];
}

function transferColumns(transfers: readonly Omit<Transfer, "seq">[], firstSeq: number): unknown[] {
  return [
    transfers.map((_, place) => firstSeq + place),
    transfers.map((t) => t.id),
    transfers.map((t) => t.debitAccount),
    transfers.map((t) => t.creditAccount),
    transfers.map((t) => t.asset),
    transfers.map((t) => t.amount),
    transfers.map((t) => t.code),
    transfers.map((t) => t.phase),
    transfers.map((t) => t.pendingId),
    transfers.map((t) => t.expiresAt),
    transfers.map((t) => t.effectiveAt),
    transfers.map((t) => t.time),
    transfers.map((t) => t.reference),
    transfers.map((t) => jsonb(t.metadata)),
    transfers.map((t) => t.requestedMembers),
    transfers.map((t) => t.requestedAmount),
  ];
}

function jsonb(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

function bytea(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}
