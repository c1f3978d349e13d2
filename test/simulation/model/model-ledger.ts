/**
 * The ledger as simply as it can be said: maps whose changes can be taken back,
 * no batches, no layers, no database. It shares no code with the real one and is
 * told only what a client could know; where the two differ, one of them is wrong.
 */
import { isDeepStrictEqual } from "node:util";
import type { AccountCode, AccountRequest, AccountRole, TransferCode, TransferRequest } from "#ledger";
import { Undo } from "./undo.ts";

/** What an account is, without its balances. */
export interface ModelAccountKind {
  readonly asset: string;
  readonly role: AccountRole;
  readonly owner: string | null;
  readonly reference?: string | null;
  /** How far debits may exceed credits, and the mirror; null without limit. */
  readonly debitAllowance: bigint | null;
  readonly creditAllowance: bigint | null;
  readonly metadata?: unknown;
}

export interface ModelAccount extends ModelAccountKind {
  readonly closed: boolean;
  readonly debits: bigint;
  readonly credits: bigint;
  readonly debitsHeld: bigint;
  readonly creditsHeld: bigint;
}

export interface ModelAsset {
  readonly program: boolean;
  readonly capped: boolean;
}

interface ModelHold {
  readonly debit: string;
  readonly credit: string;
  readonly amount: bigint;
  readonly expiresAt: number;
  readonly state: "pending" | "posted" | "voided" | "expired";
}

const LIMIT = 2n ** 128n;
/** Of an asset that is transferable and mintable. */
const ALLOWED = new Set([
  ...["general>general", "general>available", "available>general", "available>available"],
  ...["issuance>general", "issuance>available", "issuance>treasury", "custody>treasury", "custody>available"],
  ...["treasury>available", "available>treasury", "treasury>general", "general>treasury"],
  ...["available>burned", "treasury>burned", "available>revenue", "general>revenue"],
  // Not of a capped asset; no world has a clearing account of one.
  ...["available>clearing", "general>clearing", "clearing>available", "clearing>general"],
]);
const SAME_OWNER = new Set([
  ...["available>locked", "locked>available", "available>staked", "staked>available"],
  ...["available>reserved", "reserved>available"],
]);
const SYSTEM = new Set<AccountRole>([
  ...(["treasury", "issuance", "custody", "revenue", "burned", "clearing"] as const),
]);
const TRANSIENT = new Set<TransferCode>([
  ...(["account_not_found", "pending_transfer_not_found", "account_closed", "overflows"] as const),
  ...(["exceeds_supply_cap", "exceeds_credits", "exceeds_debits"] as const),
]);
/** In the order in which a repeated request is compared. */
const COMPARED: readonly [code: TransferCode, member: keyof TransferRequest, absent?: unknown][] = [
  ["exists_with_different_phase", "phase", "single"],
  ["exists_with_different_pending_id", "pendingId"],
  ["exists_with_different_linked", "linked", false],
  ["exists_with_different_debit_account", "debitAccount"],
  ["exists_with_different_credit_account", "creditAccount"],
  ["exists_with_different_amount", "amount"],
  ["exists_with_different_balancing", "balancing"],
  ["exists_with_different_code", "code"],
  ["exists_with_different_timeout", "timeoutSeconds"],
  ["exists_with_different_effective_at", "effectiveAt"],
  ["exists_with_different_reference", "reference"],
  ["exists_with_different_metadata", "metadata"],
];

export class ModelLedger {
  readonly undo = new Undo();
  readonly accounts = new Map<string, ModelAccount>();
  readonly requests = new Map<string, TransferRequest>();
  readonly holds = new Map<string, ModelHold>();
  readonly assets = new Map<string, ModelAsset>();
  /** Ids that stay failed. */
  readonly failed = new Map<string, TransferCode>();
  /** Those of `holds` that are pending. */
  readonly #open = new Map<string, ModelHold>();

  open(id: string, account: ModelAccountKind): void {
    const nothing = { debits: 0n, credits: 0n, debitsHeld: 0n, creditsHeld: 0n, closed: false };
    this.undo.set(this.accounts, id, { ...account, ...nothing });
  }

  /** What a client asks to be opened; a code for each. */
  openAll(requests: readonly AccountRequest[]): AccountCode[] {
    return requests.map((request) => {
      const code = this.#openingCode(request);
      if (code === "ok") this.open(request.id, { ...request, role: roleOf(request) });
      return code;
    });
  }

  #openingCode(request: AccountRequest): AccountCode {
    const there = this.accounts.get(request.id);
    const asset = this.assets.get(request.asset);
    if (!there) {
      if (!asset) return "asset_not_found";
      if (asset.program) return "asset_belongs_to_a_program";
      return asset.capped && request.debitAllowance !== 0n ? "limit_required_by_supply_cap" : "ok";
    }
    if (there.asset !== request.asset) return "exists_with_different_asset";
    if (there.owner !== request.owner) return "exists_with_different_owner";
    if (there.role !== roleOf(request) || (there.reference ?? null) !== null)
      return "exists_with_different_role";
    if (there.debitAllowance !== request.debitAllowance || there.creditAllowance !== request.creditAllowance)
      return "exists_with_different_limit";
    const same = isDeepStrictEqual(there.metadata ?? null, request.metadata ?? null);
    return same ? "exists" : "exists_with_different_metadata";
  }

  /** The reason against it; null where the account is closed now. */
  close(id: string, hasPosition: boolean): string | null {
    const account = this.accounts.get(id);
    if (!account) return "not_found";
    if (this.assets.get(account.asset)?.program) return "belongs_to_a_program";
    if (account.closed) return null;
    if (SYSTEM.has(account.role)) return "system_account";
    if (hasPosition) return "has_a_position";
    if (account.debits !== account.credits) return "balance_not_zero";
    if (account.debitsHeld > 0n) return "debits_held";
    this.undo.set(this.accounts, id, { ...account, closed: true });
    return null;
  }

  /** One list at ledger time `now`; a code for each. */
  transfers(requests: readonly TransferRequest[], now: number): TransferCode[] {
    this.expire(now);
    const codes: TransferCode[] = [];
    while (codes.length < requests.length) {
      const rest = requests.slice(codes.length);
      const end = rest.findIndex(({ linked }) => !linked);
      codes.push(...(end < 0 ? open(rest) : this.#chain(rest.slice(0, end + 1), now)));
    }
    return codes;
  }

  #chain(legs: readonly TransferRequest[], now: number): TransferCode[] {
    if (legs.length > 500)
      return legs.map((_, at) => (at === 0 ? "linked_event_chain_too_long" : "linked_event_failed"));
    const codes = this.undo.attempt(() => {
      const decided: TransferCode[] = [];
      for (const leg of legs) {
        decided.push(this.#one(leg, now));
        const [first, last] = [decided[0], decided.at(-1)];
        if (first !== last || (last !== "ok" && last !== "exists")) return { value: decided, keep: false };
      }
      return { value: decided, keep: true };
    });
    const [last = "ok", at] = [codes.at(-1), codes.length - 1];
    if (
      codes.length === legs.length &&
      codes.every((code) => code === last) &&
      (last === "ok" || last === "exists")
    )
      return codes;
    if (TRANSIENT.has(last)) this.undo.set(this.failed, legs[at]?.id ?? "", last);
    const reason = last === "ok" ? "linked_event_failed" : last;
    return legs.map((_, place) => (place === at ? reason : "linked_event_failed"));
  }

  #one(request: TransferRequest, now: number): TransferCode {
    const earlier = this.requests.get(request.id);
    if (earlier) return compare(request, earlier);
    if (this.failed.has(request.id)) return "id_already_failed";
    const { phase = "single", amount, balancing, pendingId, debitAccount, creditAccount } = request;
    const resolves = phase === "post" || phase === "void";
    if (resolves && pendingId === undefined) return "pending_id_must_be_given";
    if (!resolves && pendingId !== undefined) return "pending_id_must_not_be_given";
    if (pendingId === request.id) return "pending_id_must_be_different";
    if (request.timeoutSeconds !== undefined && phase !== "pending") return "timeout_reserved_for_pending";
    if (balancing && resolves) return "balancing_not_allowed_here";
    if (amount === 0n || (amount === undefined && !resolves && !balancing)) return "amount_must_not_be_zero";
    if (debitAccount !== undefined && debitAccount === creditAccount) return "accounts_must_be_different";
    if ((request.effectiveAt ?? 0) > now) return "effective_at_in_the_future";
    const code = resolves ? this.#resolve(request, phase) : this.#move(request, now);
    if (code === "ok") this.undo.set(this.requests, request.id, request);
    return code;
  }

  #move(request: TransferRequest, now: number): TransferCode {
    const [from, to] = [request.debitAccount ?? "", request.creditAccount ?? ""];
    const [debit, credit] = [this.accounts.get(from), this.accounts.get(to)];
    if (!debit || !credit) return "account_not_found";
    if (debit.asset !== credit.asset) return "assets_differ";
    if (debit.closed || credit.closed) return "account_closed";
    if (this.assets.get(debit.asset)?.program) return "asset_not_transferable";
    const route = `${debit.role}>${credit.role}`;
    if (!ALLOWED.has(route) && !(SAME_OWNER.has(route) && debit.owner === credit.owner))
      return "asset_not_transferable";
    const short =
      debit.role === "issuance" || debit.role === "custody" ? "exceeds_supply_cap" : "exceeds_credits";
    const debitable = room(debit.credits, debit.debits + debit.debitsHeld, debit.debitAllowance);
    const creditable = room(credit.debits, credit.credits + credit.creditsHeld, credit.creditAllowance);
    let amount = request.amount ?? LIMIT - 1n;
    if (request.balancing === "debit" && debitable < amount) amount = debitable;
    if (request.balancing === "credit" && creditable < amount) amount = creditable;
    if (amount === 0n) return request.balancing === "debit" ? short : "exceeds_debits";
    if (debit.debits + debit.debitsHeld + amount >= LIMIT) return "overflows";
    if (credit.credits + credit.creditsHeld + amount >= LIMIT) return "overflows";
    if (amount > debitable) return short;
    if (amount > creditable) return "exceeds_debits";
    if (request.phase === "pending") {
      const expiresAt = now + (request.timeoutSeconds ?? Number.POSITIVE_INFINITY);
      this.#putHold(request.id, { debit: from, credit: to, amount, expiresAt, state: "pending" });
    }
    this.book(from, to, request.phase === "pending" ? 0n : amount, request.phase === "pending" ? amount : 0n);
    return "ok";
  }

  #resolve(request: TransferRequest, phase: "post" | "void"): TransferCode {
    const { pendingId = "", debitAccount, creditAccount } = request;
    const hold = this.holds.get(pendingId);
    if (!hold)
      return this.requests.has(pendingId) ? "pending_transfer_not_pending" : "pending_transfer_not_found";
    if (debitAccount !== undefined && debitAccount !== hold.debit)
      return "pending_transfer_has_different_debit_account";
    if (creditAccount !== undefined && creditAccount !== hold.credit)
      return "pending_transfer_has_different_credit_account";
    const amount = request.amount ?? hold.amount;
    if (amount > hold.amount) return "exceeds_pending_amount";
    if (phase === "void" && amount < hold.amount) return "pending_transfer_has_different_amount";
    if (hold.state === "posted") return "pending_transfer_already_posted";
    if (hold.state === "voided") return "pending_transfer_already_voided";
    if (hold.state === "expired") return "pending_transfer_expired";
    if (phase === "post" && [hold.debit, hold.credit].some((id) => this.accounts.get(id)?.closed))
      return "account_closed";
    this.#release(pendingId, hold, phase === "post" ? "posted" : "voided", phase === "post" ? amount : 0n);
    return "ok";
  }

  /** What is due by now expires. */
  expire(now: number): void {
    for (const [id, hold] of [...this.#open])
      if (hold.expiresAt <= now) this.#release(id, hold, "expired", 0n);
  }

  #release(id: string, hold: ModelHold, state: ModelHold["state"], posted: bigint): void {
    this.#putHold(id, { ...hold, state });
    this.book(hold.debit, hold.credit, posted, -hold.amount);
  }

  #putHold(id: string, hold: ModelHold): void {
    this.undo.set(this.holds, id, hold);
    if (hold.state === "pending") this.undo.set(this.#open, id, hold);
    else this.undo.delete(this.#open, id);
  }

  /** Moves balances, without asking whether it may be. */
  book(from: string, to: string, posted: bigint, held: bigint): void {
    const debit = this.accounts.get(from);
    if (!debit) throw new Error(`the model has no account ${from}`);
    const debits = debit.debits + posted;
    this.undo.set(this.accounts, from, { ...debit, debits, debitsHeld: debit.debitsHeld + held });
    const credit = this.accounts.get(to);
    if (!credit) throw new Error(`the model has no account ${to}`);
    const credits = credit.credits + posted;
    this.undo.set(this.accounts, to, { ...credit, credits, creditsHeld: credit.creditsHeld + held });
  }
}

function roleOf({ owner }: Pick<AccountRequest, "owner">): AccountRole {
  return owner === null ? "general" : "available";
}

function open(legs: readonly TransferRequest[]): TransferCode[] {
  return legs.map((_, at) => (at === legs.length - 1 ? "linked_event_chain_open" : "linked_event_failed"));
}

function room(covered: bigint, used: bigint, allowance: bigint | null): bigint {
  return allowance === null ? LIMIT - 1n : covered + allowance - used;
}

function compare(request: TransferRequest, earlier: TransferRequest): TransferCode {
  for (const [code, member, absent] of COMPARED) {
    if (!isDeepStrictEqual(request[member] ?? absent, earlier[member] ?? absent)) return code;
  }
  return "exists";
}
