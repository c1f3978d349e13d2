/**
 * Reads what units need into the bottom layer of a batch, one statement a kind,
 * all of them sent at once. Runs only after the head was taken, so what it sees
 * stays true until the batch commits.
 */
import type { Client } from "pg";
import { textArray, uuidArray } from "#infra";
import { SECTIONS } from "#proof";
import type { Json } from "./json.ts";
import type { Layer, Unloaded } from "./layer.ts";
import type { Account, Asset, Hold, Owner, Position, Transfer } from "./model.ts";
import type { TransferCode } from "./result-codes.ts";
import { type AnyRowTable, rowKey } from "./row-table.ts";
import { type Statement, statement } from "./sql-text.ts";

const SQL = {
  accounts: statement("load-accounts"),
  transfers: statement("load-transfers"),
  resolutions: statement("load-resolutions"),
  holds: statement("load-holds"),
  failed: statement("load-failed"),
  owners: statement("load-owners"),
  positions: statement("load-positions"),
  sectionCounts: statement("load-section-counts"),
  assets: statement("load-assets"),
  chainLines: statement("load-chain-lines"),
} as const;

type Record_ = Record<string, unknown>;

interface KindLoader {
  readonly statement: Statement;
  /** The keys as the statement's one parameter. */
  readonly keys: (keys: readonly string[]) => Buffer;
  /** Stores one record in the layer. */
  put(layer: Layer, record: Record_): void;
}

const LOADERS = {
  account: {
    statement: SQL.accounts,
    keys: uuidArray,
    put: (layer, r) => layer.set("account", r.id as string, toAccount(r)),
  },
  transfer: {
    statement: SQL.transfers,
    keys: uuidArray,
    put: (layer, r) => layer.set("transfer", r.id as string, toTransfer(r)),
  },
  resolution: {
    statement: SQL.resolutions,
    keys: uuidArray,
    put: (layer, r) => layer.set("resolution", r.pending_id as string, toTransfer(r)),
  },
  hold: {
    statement: SQL.holds,
    keys: uuidArray,
    put: (layer, r) => layer.set("hold", r.transfer_id as string, toHold(r)),
  },
  failed: {
    statement: SQL.failed,
    keys: uuidArray,
    put: (layer, r) => layer.set("failed", r.id as string, r.code as TransferCode),
  },
  owner: {
    statement: SQL.owners,
    keys: textArray,
    put: (layer, r) => layer.set("owner", r.id as string, toOwner(r)),
  },
  position: {
    statement: SQL.positions,
    keys: uuidArray,
    put: (layer, r) => layer.set("position", r.account as string, toPosition(r)),
  },
  sectionCount: {
    statement: SQL.sectionCounts,
    keys: textArray,
    put: (layer, r) => layer.set("sectionCount", `${r.asset}/${r.section}`, r.count as number),
  },
  asset: {
    statement: SQL.assets,
    keys: textArray,
    put: (layer, r) => layer.set("asset", r.code as string, toAsset(r)),
  },
  chainLine: {
    statement: SQL.chainLines,
    keys: textArray,
    put: (layer, r) => layer.set("chainLine", r.name as string, { seq: r.seq as number }),
  },
} as const satisfies Record<string, KindLoader>;

export type LoadedKind = keyof typeof LOADERS;

/** What a batch still has to read. */
export class Wanted {
  readonly #keys = new Map<LoadedKind, Set<string>>();
  readonly #rows = new Map<string, { table: AnyRowTable; keys: Map<string, object> }>();

  add(kind: LoadedKind, keys: readonly string[] | undefined): void {
    if (!keys || keys.length === 0) return;
    const set = this.#keys.get(kind) ?? new Set();
    this.#keys.set(kind, set);
    for (const key of keys) set.add(key);
  }

  addRow(table: AnyRowTable, key: object): void {
    const rows = this.#rows.get(table.name) ?? { table, keys: new Map() };
    this.#rows.set(table.name, rows);
    rows.keys.set(rowKey(table, key as Readonly<Record<string, Json>>), key);
  }

  addUnloaded(unloaded: Unloaded): void {
    if (unloaded.kind === "row") {
      if (!unloaded.rowRead) throw new Error("a row was read without its table");
      this.addRow(unloaded.rowRead.table, unloaded.rowRead.key);
    } else this.add(unloaded.kind, [unloaded.key]);
  }

  /** Whether there is nothing left to read. */
  isKnown(layer: Layer): boolean {
    for (const [kind, keys] of this.#keys) for (const key of keys) if (!layer.has(kind, key)) return false;
    for (const { keys } of this.#rows.values())
      for (const text of keys.keys()) if (!layer.has("row", text)) return false;
    return true;
  }

  /** Sends all statements at once; the caller awaits the promises together. */
  load(client: Client, layer: Layer): Promise<void>[] {
    const loads: Promise<void>[] = [];
    for (const [kind, keys] of this.#keys) {
      const missing = [...keys].filter((key) => !layer.has(kind, key));
      if (missing.length > 0) loads.push(loadKind(client, layer, kind, missing));
    }
    for (const { table, keys } of this.#rows.values()) {
      const missing = [...keys].filter(([text]) => !layer.has("row", text));
      if (missing.length > 0) loads.push(loadRows(client, layer, table, new Map(missing)));
    }
    return loads;
  }
}

async function loadKind(client: Client, layer: Layer, kind: LoadedKind, keys: string[]): Promise<void> {
  const loader: KindLoader = LOADERS[kind];
  const { rows } = await client.query<Record_>({ ...loader.statement, values: [loader.keys(keys)] });
  for (const key of keys) layer.set(kind, key, null);
  for (const record of rows) loader.put(layer, record);
}

async function loadRows(
  client: Client,
  layer: Layer,
  table: AnyRowTable,
  keys: ReadonlyMap<string, object>,
): Promise<void> {
  const values = table.load.parameters([...keys.values()] as Readonly<Record<string, Json>>[]);
  const { rows } = await client.query<Record_>({ name: `load-${table.name}`, text: table.load.sql, values });
  for (const key of keys.keys()) layer.set("row", key, null);
  for (const record of rows) {
    const row = table.decode(record);
    layer.set("row", rowKey(table, table.keyOf(row)), row);
  }
}

export function toAccount(r: Record_): Account {
  return {
    id: r.id as string,
    asset: r.asset as string,
    role: r.role as Account["role"],
    owner: r.owner as string | null,
    reference: r.reference as string | null,
    debitAllowance: r.debit_allowance as bigint | null,
    creditAllowance: r.credit_allowance as bigint | null,
    closed: r.closed as boolean,
    exitDemanded: r.exit_demanded as boolean,
    debitsPosted: r.debits_posted as bigint,
    creditsPosted: r.credits_posted as bigint,
    debitsPending: r.debits_pending as bigint,
    creditsPending: r.credits_pending as bigint,
    metadata: r.metadata,
    createdAt: r.created_at as number,
  };
}

export function toTransfer(r: Record_): Transfer {
  return {
    seq: r.seq as number,
    id: r.id as string,
    debitAccount: r.debit_account as string,
    creditAccount: r.credit_account as string,
    asset: r.asset as string,
    amount: r.amount as bigint,
    code: r.code as string,
    phase: r.phase as Transfer["phase"],
    pendingId: r.pending_id as string | null,
    expiresAt: r.expires_at as number | null,
    effectiveAt: r.effective_at as number,
    time: r.time as number,
    reference: r.reference as string | null,
    metadata: r.metadata,
    requestedMembers: r.requested_members as number,
    requestedAmount: r.requested_amount as bigint | null,
  };
}

export function toHold(r: Record_): Hold {
  return {
    transferId: r.transfer_id as string,
    seq: r.seq as number,
    debitAccount: r.debit_account as string,
    creditAccount: r.credit_account as string,
    asset: r.asset as string,
    amount: r.amount as bigint,
    expiresAt: r.expires_at as number | null,
  };
}

function toOwner(r: Record_): Owner {
  return {
    id: r.id as string,
    salt: r.salt as Uint8Array,
    walletAddress: r.wallet_address as Uint8Array | null,
    wallets: toWallets((r.wallets ?? []) as [asset: string, wallet: string, proof: string][]),
  };
}

const NO_WALLETS: Owner["wallets"] = new Map();

function toWallets(found: readonly [asset: string, wallet: string, proof: string][]): Owner["wallets"] {
  if (found.length === 0) return NO_WALLETS;
  return new Map(
    found.map(([asset, wallet, proof]) => [
      asset,
      { wallet: Buffer.from(wallet, "hex"), proof: `0x${proof}` as const },
    ]),
  );
}

function toPosition(r: Record_): Position {
  const section = SECTIONS[r.section as number];
  if (!section) throw new Error(`there is no section ${String(r.section)}`);
  return {
    account: r.account as string,
    asset: r.asset as string,
    section,
    index: r.index as number,
    key: r.key as Uint8Array,
    owner: r.owner as Uint8Array,
    validUntil: r.valid_until as number,
    kind: r.kind as number,
    quantity: r.quantity as number,
  };
}

function toAsset(r: Record_): Asset {
  const routes = (r.routes ?? []) as [string, string, boolean][];
  return {
    code: r.code as string,
    scale: r.scale as number,
    transferable: r.transferable as boolean,
    mintable: r.mintable as boolean,
    supplyCap: r.supply_cap as bigint | null,
    program: r.program as string | null,
    backed: r.backed as boolean,
    routes: new Map(routes.map(([from, to, sameOwner]) => [`${from}>${to}`, { sameOwner }])),
  };
}
