/**
 * The view a unit of work decides on: reads fall through the layers, effects stay
 * in the unit's own layer until it has succeeded.
 */
import { type Amount, DomainError, formatAmount, type UnixSeconds } from "#kernel";
import { equalBytes, fromHex, positionKey, SECTIONS, toHex } from "#proof";
import type { AccountIds } from "./account-id.ts";
import { closingRefusal, notClosable } from "./close-account.ts";
import {
  debitRoom,
  decideTransfer,
  type Origin,
  type TransferDecision,
  type TransferLine,
} from "./decide-transfer.ts";
import type { Json } from "./json.ts";
import { Layer, type PositionLine, Unloaded } from "./layer.ts";
import type {
  Account,
  AccountRole,
  Asset,
  Hold,
  Owner,
  OwnerWallet,
  Position,
  Transfer,
  TransferRequest,
} from "./model.ts";
import { exitDemanded, recordChainEvent } from "./record-chain-event.ts";
import { TRANSIENT_CODES, type TransferCode } from "./result-codes.ts";
import { type RowTable, rowKey } from "./row-table.ts";
import type { AccountSpec, ChainEvent, LedgerEvent, PositionSpec, TransferResult, View } from "./unit.ts";

const NO_WALLET = new Uint8Array(20);
/** TigerBeetle has no such bound; here a chain is decided and written as one and must not fill a batch. */
const MAX_CHAIN_LENGTH = 500;

/** The journal's head as this batch holds it. */
export interface Head {
  readonly nextSeq: number;
  readonly now: UnixSeconds;
}

export class UnitView implements View {
  readonly now: UnixSeconds;
  #layer: Layer;
  readonly #accountIds: AccountIds;
  readonly #firstSeq: number;

  /** @param head the batch's: a batch writes its transfers in the order in which they are decided, from `nextSeq` on */
  constructor(layer: Layer, head: Head, accountIds: AccountIds) {
    this.#layer = layer;
    this.now = head.now;
    this.#firstSeq = head.nextSeq;
    this.#accountIds = accountIds;
  }

  asset(code: string): Asset | null {
    return this.#layer.get("asset", code);
  }
  account(id: string): Account | null {
    return this.#layer.get("account", id);
  }
  transfer(id: string): Transfer | null {
    return this.#layer.get("transfer", id);
  }
  hold(transferId: string): Hold | null {
    return this.#layer.get("hold", transferId);
  }
  owner(id: string): Owner | null {
    return this.#layer.get("owner", id);
  }
  position(account: string): Position | null {
    return this.#layer.get("position", account);
  }

  row<Row extends object, Key extends Readonly<Record<string, Json>>>(
    table: RowTable<Row, Key>,
    key: Key,
  ): Row | null {
    try {
      return this.#layer.get("row", rowKey(table, key)) as Row | null;
    } catch (error) {
      if (!(error instanceof Unloaded)) throw error;
      throw new Unloaded("row", error.key, { table: table, key });
    }
  }

  putRow<Row extends object, Key extends Readonly<Record<string, Json>>>(
    table: RowTable<Row, Key>,
    row: Row,
  ): void {
    const key = rowKey(table, table.keyOf(row));
    this.#layer.set("row", key, row);
    this.#layer.writes.rows.set(key, { table: table, row });
  }

  attempt<R>(decide: () => R): R | null {
    const unitLayer = this.#layer;
    const layer = new Layer(unitLayer);
    this.#layer = layer;
    try {
      const result = decide();
      layer.merge();
      return result;
    } catch (error) {
      if (error instanceof DomainError) return null;
      throw error;
    } finally {
      this.#layer = unitLayer;
    }
  }

  emit(event: LedgerEvent): void {
    this.#layer.writes.events.push(event);
  }

  availableBalance(accountId: string): Amount {
    const account = this.account(accountId);
    return account ? account.creditsPosted - account.debitsPosted - account.debitsPending : 0n;
  }

  openAccount(spec: AccountSpec): string {
    const id = this.#accountIds.derive(spec);
    if (this.account(id)) return id;
    const asset = this.asset(spec.asset);
    if (!asset)
      throw new DomainError("not_found", `There is no asset ${spec.asset}`, {
        details: { asset: spec.asset },
      });
    this.openAccountWithId({
      id,
      asset: spec.asset,
      role: spec.role,
      owner: spec.owner,
      reference: spec.reference ?? null,
      debitAllowance: debitAllowanceOf(asset, spec.role),
      creditAllowance: null,
      closed: false,
      exitDemanded: false,
      debitsPosted: 0n,
      creditsPosted: 0n,
      debitsPending: 0n,
      creditsPending: 0n,
      metadata: null,
      createdAt: this.now,
    });
    return id;
  }

  openAccountWithId(account: Account): void {
    if (this.account(account.id)) throw new Error(`account ${account.id} is open already`);
    this.#layer.set("account", account.id, account);
    this.#layer.set("position", account.id, null);
    this.#layer.writes.accounts.push(account);
  }

  closeAccount(id: string): boolean {
    const account = this.account(id);
    if (!account) throw new DomainError("not_found", "There is no such account");
    if (account.closed) return false;
    const refusal = closingRefusal(account, this.position(id));
    if (refusal) throw notClosable(id, refusal);
    this.#layer.set("account", id, { ...account, closed: true });
    this.#layer.writes.closings.push(id);
    const { asset, role, owner } = account;
    this.emit({ type: "account.closed", subject: owner, data: { account_id: id, asset, role } });
    return true;
  }

  openOwner(id: string, salt: Uint8Array): Owner {
    const known = this.owner(id);
    if (known) return known;
    const owner: Owner = { id, salt, walletAddress: null, wallets: new Map() };
    this.#layer.set("owner", id, owner);
    this.#layer.writes.newOwners.push(owner);
    return owner;
  }

  rememberWallet(ownerId: string, walletAddress: Uint8Array): void {
    const owner = this.owner(ownerId);
    if (!owner) throw new Error(`owner ${ownerId} is not open`);
    this.#layer.set("owner", ownerId, { ...owner, walletAddress });
    this.#layer.writes.wallets.set(ownerId, walletAddress);
  }

  recordChainEvent(event: ChainEvent): number | null {
    return recordChainEvent(this.#layer, event, this.#firstSeq);
  }

  setOwnerWallet(ownerId: string, asset: string, wallet: OwnerWallet): void {
    const owner = this.owner(ownerId);
    if (!owner) throw new Error(`owner ${ownerId} is not open`);
    this.#layer.set("owner", ownerId, { ...owner, wallets: new Map(owner.wallets).set(asset, wallet) });
    this.#layer.writes.ownerWallets.set(`${asset}/${ownerId}`, { ...wallet, owner: ownerId, asset });
  }

  carryWallet(account: string, user: string): boolean {
    const [position, owner] = [this.position(account), this.owner(user)];
    if (!position || !owner) throw new Error(`account ${account} has no position of ${user}`);
    const linked = owner.wallets.get(position.asset);
    if (!linked || equalBytes(linked.wallet, position.owner)) return false;
    this.#writePosition({ ...position, owner: linked.wallet, fresh: false, signatures: [linked.proof] });
    return true;
  }

  setPosition(spec: PositionSpec): Uint8Array {
    const account = this.account(spec.account);
    const owner = this.owner(spec.user);
    if (!account || !owner) throw new Error("a position needs its account and its user first");
    if (account.closed) throw new Error("a closed account has no position");
    const known = this.position(spec.account);
    const key = known?.key ?? keyBytes(owner, spec.keyParts);
    const linked = owner.wallets.get(account.asset);
    const before = known?.owner ?? NO_WALLET;
    const moves = linked !== undefined && !equalBytes(linked.wallet, before);
    const statements = spec.statements ?? (moves ? [linked.proof] : []);
    const position: PositionLine = {
      account: spec.account,
      asset: account.asset,
      section: spec.section,
      index: known?.index ?? this.#nextIndex(account.asset, spec.section),
      key,
      owner: linked?.wallet ?? before,
      validUntil: spec.validUntil,
      kind: spec.kind,
      quantity: spec.quantity,
      fresh: known === null,
      signatures: statements,
    };
    if (
      known &&
      statements.length === 0 &&
      known.validUntil === spec.validUntil &&
      known.kind === spec.kind &&
      known.quantity === spec.quantity
    )
      return key;
    this.#writePosition(position);
    return key;
  }

  #writePosition(position: PositionLine): void {
    this.#layer.set("position", position.account, position);
    this.#layer.writes.positions.push(position);
  }

  #nextIndex(asset: string, section: PositionSpec["section"]): number {
    const key = `${asset}/${SECTIONS.indexOf(section)}`;
    const count = this.#layer.get("sectionCount", key) ?? 0;
    this.#layer.set("sectionCount", key, count + 1);
    return count;
  }

  move(request: TransferRequest & { debitAccount: string; creditAccount: string; amount: Amount }): Transfer {
    // The id is fresh from the server, so that there is nothing to look up.
    if (!this.#layer.has("transfer", request.id)) this.#layer.set("transfer", request.id, null);
    if (!this.#layer.has("failed", request.id)) this.#layer.set("failed", request.id, null);
    const decision = decideTransfer(this.#layer, request, this.now, "program");
    if (decision.code === "exceeds_credits" || decision.code === "exceeds_supply_cap")
      throw this.#insufficient(request.debitAccount, request.amount);
    if (this.account(request.debitAccount)?.exitDemanded && decision.code === "asset_not_transferable")
      throw exitDemanded();
    if (decision.code !== "ok") throw new Error(`a transfer of this unit was answered ${decision.code}`);
    return this.#apply(decision.line, decision.hold);
  }

  #insufficient(accountId: string, amount: Amount): DomainError {
    const account = this.account(accountId);
    const asset = account && this.asset(account.asset);
    if (!account || !asset) return new DomainError("insufficient_balance", "There is not enough balance");
    const required = formatAmount(amount, asset.scale);
    const available = formatAmount(debitRoom(account), asset.scale);
    return new DomainError(
      "insufficient_balance",
      `There is not enough ${asset.code}: ${required} needed, ${available} available`,
      { details: `Required: ${required} ${asset.code}, Available: ${available} ${asset.code}` },
    );
  }

  tryTransfers(requests: readonly TransferRequest[], origin: Origin = "list"): readonly TransferResult[] {
    const results: TransferResult[] = [];
    for (let from = 0; from < requests.length; ) {
      let to = from;
      while (to < requests.length && requests[to]?.linked) to++;
      const open = to === requests.length;
      const chain = requests.slice(from, open ? to : to + 1);
      results.push(...this.#tryChain(chain, open, origin));
      from += chain.length;
    }
    return results;
  }

  #tryChain(chain: readonly TransferRequest[], open: boolean, origin: Origin): TransferResult[] {
    if (open) return failedChain(chain, chain.length - 1, "linked_event_chain_open");
    if (chain.length > MAX_CHAIN_LENGTH) return failedChain(chain, 0, "linked_event_chain_too_long");
    const [alone] = chain;
    if (alone && chain.length === 1) return [this.#tryOne(alone, origin)];
    const unitLayer = this.#layer;
    this.#layer = new Layer(unitLayer);
    try {
      const results: TransferResult[] = [];
      for (const [index, request] of chain.entries()) {
        const decision = decideTransfer(this.#layer, request, this.now, origin);
        // A chain that was written before answers for each leg that it exists; one that exists in part fails.
        const sound = decision.code === "ok" || decision.code === "exists";
        if (!sound || (index > 0 && results[index - 1]?.code !== decision.code)) {
          this.#layer = unitLayer;
          return this.#failChain(chain, index, decision);
        }
        results.push({
          code: decision.code,
          transfer:
            decision.code === "ok" ? this.#apply(decision.line, decision.hold) : (decision.existing ?? null),
        });
      }
      this.#layer.merge();
      return results;
    } finally {
      this.#layer = unitLayer;
    }
  }

  /** Nothing can fail after it was decided, so that one transfer needs no layer of its own. */
  #tryOne(request: TransferRequest, origin: Origin): TransferResult {
    const decision = decideTransfer(this.#layer, request, this.now, origin);
    if (decision.code === "ok") return { code: "ok", transfer: this.#apply(decision.line, decision.hold) };
    if (decision.code === "exists") return { code: "exists", transfer: decision.existing ?? null };
    const [failed] = this.#failChain([request], 0, decision);
    if (!failed) throw new Error("a failed transfer has a result");
    return failed;
  }

  #failChain(chain: readonly TransferRequest[], index: number, decision: TransferDecision): TransferResult[] {
    // A leg that would be new in a chain that else exists: the chain as sent does not.
    const code = decision.code === "ok" ? "linked_event_failed" : decision.code;
    const id = chain[index]?.id ?? "";
    if (TRANSIENT_CODES.has(code)) {
      this.#layer.set("failed", id, code);
      this.#layer.writes.failed.push({ id, code });
    }
    // The line that the id stands for; one of this very chain is gone with it.
    return failedChain(chain, index, code, decision.code === "ok" ? null : this.#layer.get("transfer", id));
  }

  #apply(line: TransferLine, hold: Hold | null): Transfer {
    const layer = this.#layer;
    const transfer: Transfer = { ...line, seq: this.#firstSeq + layer.lineCount };
    layer.set("transfer", line.id, transfer);
    layer.writes.transfers.push(line);
    if (line.phase === "pending" && hold) {
      layer.set("hold", line.id, { ...hold, seq: transfer.seq });
      layer.set("resolution", line.id, null);
    }
    let released: Amount = 0n;
    if (line.pendingId !== null) {
      released = layer.get("transfer", line.pendingId)?.amount ?? 0n;
      layer.set("resolution", line.pendingId, transfer);
      layer.set("hold", line.pendingId, null);
    }
    const posted = line.phase === "single" || line.phase === "post" ? line.amount : 0n;
    const pending = line.phase === "pending" ? line.amount : -released;
    this.#moveBalance(line.debitAccount, { debitsPosted: posted, debitsPending: pending });
    this.#moveBalance(line.creditAccount, { creditsPosted: posted, creditsPending: pending });
    return transfer;
  }

  #moveBalance(
    id: string,
    delta: { [B in "debitsPosted" | "debitsPending" | "creditsPosted" | "creditsPending"]?: Amount },
  ) {
    const account = this.account(id);
    if (!account) throw new Error(`account ${id} is not known`);
    this.#layer.set("account", id, {
      ...account,
      debitsPosted: account.debitsPosted + (delta.debitsPosted ?? 0n),
      debitsPending: account.debitsPending + (delta.debitsPending ?? 0n),
      creditsPosted: account.creditsPosted + (delta.creditsPosted ?? 0n),
      creditsPending: account.creditsPending + (delta.creditsPending ?? 0n),
    });
  }

  /** A due hold expires: a journal line of the batch's own, ahead of every unit. */
  expire(hold: Hold, lineId: string): void {
    const pending = this.transfer(hold.transferId);
    if (!pending) throw new Error(`hold ${hold.transferId} has no pending transfer`);
    this.#apply(
      {
        id: lineId,
        debitAccount: hold.debitAccount,
        creditAccount: hold.creditAccount,
        asset: hold.asset,
        amount: hold.amount,
        code: pending.code,
        phase: "expire",
        pendingId: hold.transferId,
        expiresAt: null,
        effectiveAt: this.now,
        time: this.now,
        reference: null,
        metadata: null,
        requestedMembers: 0,
        requestedAmount: null,
      },
      null,
    );
  }
}

/** A capped asset has one account that may issue; without a cap both sources are free, and so is what is between ledgers. */
function debitAllowanceOf(asset: Asset, role: AccountRole): Amount | null {
  const issues =
    asset.supplyCap === null
      ? ["issuance", "custody", "clearing"]
      : [asset.mintable ? "issuance" : "custody"];
  return issues.includes(role) ? asset.supplyCap : 0n;
}

function failedChain(
  chain: readonly TransferRequest[],
  index: number,
  code: TransferCode,
  existing: Transfer | null = null,
): TransferResult[] {
  return chain.map((_, place) =>
    place === index ? { code, transfer: existing } : { code: "linked_event_failed", transfer: null },
  );
}

function keyBytes(owner: Owner, parts: readonly string[]): Uint8Array {
  const salt = toHex(owner.salt);
  return fromHex(positionKey({ salt, parts }), 32);
}
