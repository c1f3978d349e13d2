/**
 * What a batch knows and what it has decided so far, in layers: the bottom holds
 * what was loaded from the database, each unit decides on a layer of its own, and
 * each linked chain on one above that. A layer that fails is dropped; one that
 * succeeds is merged into the layer below, so that later units see it.
 */
import type { Hex } from "#proof";
import type { Account, Asset, Hold, Owner, OwnerWallet, Position, Transfer } from "./model.ts";
import type { TransferCode } from "./result-codes.ts";
import type { AnyRowTable } from "./row-table.ts";
import type { ChainEvent, LedgerEvent } from "./unit.ts";

/** The kinds of rows a layer holds by key; `null` says that the database has none. */
export interface Known {
  account: Account;
  transfer: Transfer;
  /** By the pending transfer's id: the line that resolved it. */
  resolution: Transfer;
  hold: Hold;
  failed: TransferCode;
  owner: Owner;
  position: Position;
  /** By "asset/section": the number of leaves. */
  sectionCount: number;
  asset: Asset;
  /** By `chainLineKey`: its place in the journal. */
  chainLine: { readonly seq: number };
  /** By "table/key". */
  row: object;
}
export type Kind = keyof Known;

/** Something was read that the batch has not loaded yet: load it and decide the unit again. */
export class Unloaded extends Error {
  readonly kind: Kind;
  readonly key: string;
  /** For kind `row`. */
  readonly rowRead: { table: AnyRowTable; key: object } | undefined;
  constructor(kind: Kind, key: string, rowRead?: { table: AnyRowTable; key: object }) {
    super(`${kind} ${key} is not loaded`);
    this.kind = kind;
    this.key = key;
    this.rowRead = rowRead;
  }
}

const NOTHING = new Map<string, never>();

export interface RowWrite {
  readonly table: AnyRowTable;
  readonly row: object;
}

/** A position line before it has its place in the journal. */
export interface PositionLine extends Position {
  readonly fresh: boolean;
  /** Statements about wallets; none is left out of the line. */
  readonly signatures: readonly Hex[];
}

/** What an owner's positions of an asset carry from now on. */
export interface OwnerWalletWrite extends OwnerWallet {
  readonly owner: string;
  readonly asset: string;
}

/** A line of a chain event, and how many of the layer's transfers stand before it. */
export interface ChainLineWrite extends ChainEvent {
  readonly at: number;
}

/** What a layer adds to the database, in order. */
export class Writes {
  readonly accounts: Account[] = [];
  readonly transfers: Omit<Transfer, "seq">[] = [];
  readonly chainLines: ChainLineWrite[] = [];
  readonly positions: PositionLine[] = [];
  /** Ids of accounts. */
  readonly closings: string[] = [];
  readonly failed: { id: string; code: TransferCode }[] = [];
  readonly newOwners: Owner[] = [];
  readonly events: LedgerEvent[] = [];
  readonly wallets = new Map<string, Uint8Array>();
  /** By "asset/owner": only the last is written. */
  readonly ownerWallets = new Map<string, OwnerWalletWrite>();
  /** By "table/key": only the last state of a row is written. */
  readonly rows = new Map<string, RowWrite>();

  append(other: Writes): void {
    push(this.accounts, other.accounts);
    const before = this.transfers.length;
    push(
      this.chainLines,
      other.chainLines.map((line) => ({ ...line, at: line.at + before })),
    );
    push(this.transfers, other.transfers);
    push(this.positions, other.positions);
    push(this.closings, other.closings);
    push(this.failed, other.failed);
    push(this.newOwners, other.newOwners);
    push(this.events, other.events);
    for (const [id, wallet] of other.wallets) this.wallets.set(id, wallet);
    for (const [key, write] of other.ownerWallets) this.ownerWallets.set(key, write);
    for (const [key, write] of other.rows) this.rows.set(key, write);
  }
}

function push<T>(target: T[], items: readonly T[]): void {
  for (const item of items) target.push(item);
}

/** Where a batch's bottom layer looks for what it does not know itself: what the writer remembers, or the batch before. */
export interface Beneath {
  find<K extends Kind>(kind: K, key: string): Known[K] | null | undefined;
}

export class Layer implements Beneath {
  readonly parent: Layer | null;
  readonly writes = new Writes();
  readonly #known = new Map<Kind, Map<string, unknown>>();
  #beneath: Beneath | null;

  constructor(parent: Layer | null, beneath: Beneath | null = null) {
    this.parent = parent;
    this.#beneath = beneath;
  }

  /** `undefined` where nobody knows whether there is one. */
  find<K extends Kind>(kind: K, key: string): Known[K] | null | undefined {
    for (let layer: Layer = this; ; layer = layer.parent) {
      const found = layer.#known.get(kind)?.get(key);
      if (found !== undefined) return found as Known[K] | null;
      if (!layer.parent) return layer.#beneath?.find(kind, key);
    }
  }

  /** The batch before is committed, and so part of what the writer remembers. */
  settleOn(beneath: Beneath): void {
    this.#beneath = beneath;
  }

  /** What this layer itself knows of a kind. */
  entries<K extends Kind>(kind: K): Iterable<[string, Known[K] | null]> {
    return (this.#known.get(kind) ?? NOTHING) as ReadonlyMap<string, Known[K] | null>;
  }

  /** @throws Unloaded where nobody knows whether there is one */
  get<K extends Kind>(kind: K, key: string): Known[K] | null {
    const found = this.find(kind, key);
    if (found === undefined) throw new Unloaded(kind, key);
    return found;
  }

  has(kind: Kind, key: string): boolean {
    return this.find(kind, key) !== undefined;
  }

  /** How many transfers and chain events, whose order is that of the units, this layer and those below it add to the journal. */
  get lineCount(): number {
    let count = 0;
    for (let layer: Layer | null = this; layer; layer = layer.parent)
      count += layer.writes.transfers.length + layer.writes.chainLines.length;
    return count;
  }

  set<K extends Kind>(kind: K, key: string, value: Known[K] | null): void {
    let map = this.#known.get(kind);
    if (!map) {
      map = new Map();
      this.#known.set(kind, map);
    }
    map.set(key, value);
  }

  /** Makes what this layer decided part of the layer below. */
  merge(): void {
    const parent = this.parent;
    if (!parent) throw new Error("the bottom layer has nothing to merge into");
    for (const [kind, map] of this.#known) {
      for (const [key, value] of map) parent.set(kind, key, value as Known[typeof kind] | null);
    }
    parent.writes.append(this.writes);
  }
}
