/**
 * The statements that write what a batch decided, one a table. They are sent all
 * at once, and none before all could be made. The order matters: accounts before the
 * lines that touch them, lines before the positions and then the closings that follow them in the journal: a batch
 * decides nothing on an account that it closed, but what was decided before that has to be written before it. Chain
 * events and transfers stand in the order in which they were decided.
 */
import {
  byteaArray,
  int2Array,
  int8Array,
  jsonArray,
  jsonbArray,
  numericArray,
  textArray,
  uuidArray,
} from "#infra";
import type { UnixSeconds } from "#kernel";
import { fromHex, SECTIONS } from "#proof";
import type { Json } from "./json.ts";
import type { OwnerWalletWrite, Writes } from "./layer.ts";
import type { Account, Transfer } from "./model.ts";
import type { AnyRowTable } from "./row-table.ts";
import { type Statement, statement } from "./sql-text.ts";

const SQL = {
  owners: statement("save-owners"),
  wallets: statement("save-wallets"),
  ownerWallets: statement("save-owner-wallets"),
  accounts: statement("save-accounts"),
  transfers: statement("save-transfers"),
  chainLine: statement("save-chain-line"),
  positions: statement("save-positions"),
  closings: statement("save-closings"),
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

export type Prepared = Statement & { readonly values: unknown[] };

/** @param firstSeq the head's next place in the journal */
export function prepareSave(
  writes: Writes,
  outcomes: readonly StoredOutcome[],
  firstSeq: number,
  now: UnixSeconds,
): Prepared[] {
  const statements: Prepared[] = [];
  const send = (sql: Statement, values: unknown[]) => statements.push({ ...sql, values });
  const { newOwners, wallets, accounts, positions, closings, failed, events } = writes;
  const firstPosition = firstSeq + writes.transfers.length + writes.chainLines.length;
  if (newOwners.length > 0)
    send(SQL.owners, [textArray(newOwners.map((o) => o.id)), byteaArray(newOwners.map((o) => o.salt)), now]);
  if (wallets.size > 0)
    send(SQL.wallets, [textArray([...wallets.keys()]), byteaArray([...wallets.values()])]);
  if (writes.ownerWallets.size > 0)
    send(SQL.ownerWallets, ownerWalletColumns([...writes.ownerWallets.values()]));
  if (accounts.length > 0) send(SQL.accounts, accountColumns(accounts));
  sendInOrder(writes, firstSeq, now, send);
  if (positions.length > 0) {
    send(SQL.positions, [
      int8Array(positions.map((_, place) => firstPosition + place)),
      int8Array(positions.map(() => now)),
      uuidArray(positions.map((p) => p.account)),
      textArray(positions.map((p) => p.asset)),
      int2Array(positions.map((p) => SECTIONS.indexOf(p.section))),
      int8Array(positions.map((p) => p.index)),
      byteaArray(positions.map((p) => p.key)),
      byteaArray(positions.map((p) => p.owner)),
      int8Array(positions.map((p) => p.validUntil)),
      int8Array(positions.map((p) => p.kind)),
      int8Array(positions.map((p) => p.quantity)),
      jsonbArray(positions.map((p) => (p.signatures.length > 0 ? JSON.stringify(p.signatures) : null))),
    ]);
  }
  if (closings.length > 0) {
    const first = firstPosition + positions.length;
    send(SQL.closings, [
      int8Array(closings.map((_, place) => first + place)),
      int8Array(closings.map(() => now)),
      uuidArray(closings),
    ]);
  }
  for (const [{ name, save }, rows] of rowsByTable(writes))
    if (save) send({ name: `save-${name}`, text: save.sql }, save.parameters(rows));
  if (failed.length > 0)
    send(SQL.failed, [uuidArray(failed.map((f) => f.id)), textArray(failed.map((f) => f.code)), now]);
  if (events.length > 0)
    send(SQL.events, [
      textArray(events.map((e) => e.type)),
      textArray(events.map((e) => e.subject)),
      jsonbArray(events.map((e) => JSON.stringify(e.data))),
    ]);
  if (outcomes.length > 0) {
    send(SQL.idempotency, [
      textArray(outcomes.map((o) => o.principal)),
      textArray(outcomes.map((o) => o.key)),
      byteaArray(outcomes.map((o) => Buffer.from(o.fingerprint, "hex"))),
      jsonArray(outcomes.map((o) => JSON.stringify(o.outcome))),
      now,
    ]);
  }
  return statements;
}

/** Each chain event by itself, between the transfers before it and those that follow from it. */
function sendInOrder(
  { transfers, chainLines }: Writes,
  firstSeq: number,
  now: UnixSeconds,
  send: (sql: Statement, values: unknown[]) => void,
): void {
  let seq = firstSeq;
  let written = 0;
  const transfersUpTo = (end: number) => {
    const next = written === 0 && end === transfers.length ? transfers : transfers.slice(written, end);
    if (next.length > 0) send(SQL.transfers, transferColumns(next, seq));
    seq += next.length;
    written = end;
  };
  for (const { at, chainId, registry, block, txHash, logIndex, event, account } of chainLines) {
    transfersUpTo(at);
    const place = [chainId, fromHex(registry, 20), block, fromHex(txHash, 32), logIndex];
    send(SQL.chainLine, [seq, now, ...place, event, account ?? null]);
    seq += 1;
  }
  transfersUpTo(transfers.length);
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

function ownerWalletColumns(wallets: readonly OwnerWalletWrite[]): unknown[] {
  return [
    textArray(wallets.map((w) => w.owner)),
    textArray(wallets.map((w) => w.asset)),
    byteaArray(wallets.map((w) => w.wallet)),
    byteaArray(wallets.map((w) => Buffer.from(w.proof.slice(2), "hex"))),
  ];
}

function accountColumns(accounts: readonly Account[]): unknown[] {
  return [
    uuidArray(accounts.map((a) => a.id)),
    textArray(accounts.map((a) => a.asset)),
    textArray(accounts.map((a) => a.role)),
    textArray(accounts.map((a) => a.owner)),
    textArray(accounts.map((a) => a.reference)),
    numericArray(accounts.map((a) => a.debitAllowance)),
    numericArray(accounts.map((a) => a.creditAllowance)),
    jsonbArray(accounts.map((a) => jsonText(a.metadata))),
    int8Array(accounts.map((a) => a.createdAt)),
  ];
}

function transferColumns(transfers: readonly Omit<Transfer, "seq">[], firstSeq: number): unknown[] {
  return [
    int8Array(transfers.map((_, place) => firstSeq + place)),
    uuidArray(transfers.map((t) => t.id)),
    uuidArray(transfers.map((t) => t.debitAccount)),
    uuidArray(transfers.map((t) => t.creditAccount)),
    textArray(transfers.map((t) => t.asset)),
    numericArray(transfers.map((t) => t.amount)),
    textArray(transfers.map((t) => t.code)),
    textArray(transfers.map((t) => t.phase)),
    uuidArray(transfers.map((t) => t.pendingId)),
    int8Array(transfers.map((t) => t.expiresAt)),
    int8Array(transfers.map((t) => t.effectiveAt)),
    int8Array(transfers.map((t) => t.time)),
    textArray(transfers.map((t) => t.reference)),
    jsonbArray(transfers.map((t) => jsonText(t.metadata))),
    int2Array(transfers.map((t) => t.requestedMembers)),
    numericArray(transfers.map((t) => t.requestedAmount)),
  ];
}

function jsonText(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}
