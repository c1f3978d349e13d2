/**
 * The ledger as simply as it can be said: maps, whole copies for chains, no
 * batches, no layers, no database. It shares no code with the real one and is
 * told only what a client could know; where the two differ, one of them is wrong.
 */
import { isDeepStrictEqual } from "node:util";
import type { TransferCode, TransferRequest } from "#ledger";

export interface ModelAccount {
  readonly asset: string;
  readonly role: "general" | "available" | "locked" | "issuance";
  readonly owner: string | null;
  /** How far debits may exceed credits, and the mirror; null without limit. */
  readonly debitAllowance: bigint | null;
  readonly creditAllowance: bigint | null;
  debits: bigint;
  credits: bigint;
  debitsHeld: bigint;
  creditsHeld: bigint;
}

interface ModelHold {
  readonly debit: string;
  readonly credit: string;
  readonly amount: bigint;
  readonly expiresAt: number;
  state: "pending" | "posted" | "voided" | "expired";
}

interface State {
  accounts: Map<string, ModelAccount>;
  requests: Map<string, TransferRequest>;
  holds: Map<string, ModelHold>;
}

const LIMIT = 2n ** 128n;
const ALLOWED = new Set([
  ...["general>general", "general>available", "available>general", "available>available"],
  ...["issuance>general", "issuance>available"],
]);
const SAME_OWNER = new Set(["available>locked", "locked>available"]);
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
  #state: State = { accounts: new Map(), requests: new Map(), holds: new Map() };
  /** Ids that stay failed. */
  readonly #failed = new Set<string>();

  get accounts(): ReadonlyMap<string, ModelAccount> {
    return this.#state.accounts;
  }

  get holds(): ReadonlyMap<string, ModelHold> {
    return this.#state.holds;
  }

  open(id: string, account: Omit<ModelAccount, "debits" | "credits" | "debitsHeld" | "creditsHeld">): void {
    this.#state.accounts.set(id, { ...account, debits: 0n, credits: 0n, debitsHeld: 0n, creditsHeld: 0n });
  }

  /** One list at ledger time `now`; a code for each. */
  transfers(requests: readonly TransferRequest[], now: number): TransferCode[] {
    this.#expire(now);
    const codes: TransferCode[] = [];
    while (codes.length < requests.length) {
      const rest = requests.slice(codes.length);
      const end = rest.findIndex(({ linked }) => !linked);
      codes.push(...(end < 0 ? open(rest) : this.#chain(rest.slice(0, end + 1), now)));
    }
    return codes;
  }

  #chain(legs: readonly TransferRequest[], now: number): TransferCode[] {
    const before = structuredClone(this.#state);
    const codes: TransferCode[] = [];
    for (const leg of legs) {
      const code = this.#one(leg, now);
      const stands = (code === "ok" || code === "exists") && codes.every((earlier) => earlier === code);
      if (stands) {
        codes.push(code);
        continue;
      }
      this.#state = before;
      if (TRANSIENT.has(code)) this.#failed.add(leg.id);
      const reason = code === "ok" ? "linked_event_failed" : code;
      return legs.map((_, at) => (at === codes.length ? reason : "linked_event_failed"));
    }
    return codes;
  }

  #one(request: TransferRequest, now: number): TransferCode {
    const earlier = this.#state.requests.get(request.id);
    if (earlier) return compare(request, earlier);
    if (this.#failed.has(request.id)) return "id_already_failed";
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
    if (code === "ok") this.#state.requests.set(request.id, request);
    return code;
  }

  #move(request: TransferRequest, now: number): TransferCode {
    const debit = this.#state.accounts.get(request.debitAccount ?? "");
    const credit = this.#state.accounts.get(request.creditAccount ?? "");
    if (!debit || !credit) return "account_not_found";
    if (debit.asset !== credit.asset) return "assets_differ";
    const route = `${debit.role}>${credit.role}`;
    if (!ALLOWED.has(route) && !(SAME_OWNER.has(route) && debit.owner === credit.owner))
      return "asset_not_transferable";
    const short = debit.role === "issuance" ? "exceeds_supply_cap" : "exceeds_credits";
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
      debit.debitsHeld += amount;
      credit.creditsHeld += amount;
      const expiresAt = now + (request.timeoutSeconds ?? Number.POSITIVE_INFINITY);
      const hold = {
        debit: request.debitAccount ?? "",
        credit: request.creditAccount ?? "",
        amount,
        expiresAt,
      };
      this.#state.holds.set(request.id, { ...hold, state: "pending" });
    } else {
      debit.debits += amount;
      credit.credits += amount;
    }
    return "ok";
  }

  #resolve(request: TransferRequest, phase: "post" | "void"): TransferCode {
    const { pendingId = "", debitAccount, creditAccount } = request;
    const hold = this.#state.holds.get(pendingId);
    if (!hold)
      return this.#state.requests.has(pendingId)
        ? "pending_transfer_not_pending"
        : "pending_transfer_not_found";
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
    this.#release(hold, phase === "post" ? "posted" : "voided", phase === "post" ? amount : 0n);
    return "ok";
  }

  #expire(now: number): void {
    for (const hold of this.#state.holds.values())
      if (hold.state === "pending" && hold.expiresAt <= now) this.#release(hold, "expired", 0n);
  }

  #release(hold: ModelHold, state: ModelHold["state"], posted: bigint): void {
    hold.state = state;
    const [debit, credit] = [this.#state.accounts.get(hold.debit), this.#state.accounts.get(hold.credit)];
    if (!debit || !credit) throw new Error("a hold has lost its accounts");
    debit.debitsHeld -= hold.amount;
    credit.creditsHeld -= hold.amount;
    debit.debits += posted;
    credit.credits += posted;
  }
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
