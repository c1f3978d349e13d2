/**
 * The three units of work of a transfer between ledgers. Each runs in one ledger
 * alone and may be repeated: the first writes the hold and its record, the second
 * (in the other ledger) decides once and writes the decision down, the third
 * resolves the hold by that decision.
 */
import { type Amount, DomainError, formatAmount } from "#kernel";
import type { AccountSpec, Asset, Idempotency, Ledger, TransferRequest, Unit, View } from "#ledger";
import { type Arrival, arrivalTable, type Departure, departureTable } from "./tables.ts";

export interface SendRequest {
  readonly id: string;
  readonly fromAccount: string;
  readonly toLedger: string;
  readonly toAccount: string;
  readonly amount: Amount;
  readonly reference: string | null;
  /** What the account holds, where the caller knows it: saves looking for it. */
  readonly asset?: string;
}

/** Ids of the accounts of the ledger that a unit runs in. */
type AccountIdOf = Ledger["accountId"];

export type SendAnswer = { readonly id: string; readonly asset: string; readonly seq: number };

/** What the other ledger is told. */
export interface Parcel {
  readonly fromLedgerId: string;
  readonly transferId: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly scale: number;
  readonly amount: Amount;
  readonly reference: string | null;
}

/** What it decided: the line that credits, or why there is none. */
export type Decision =
  | { readonly lineId: string; readonly refusal: null }
  | { readonly lineId: null; readonly refusal: string };

/** One account for each ledger and asset. No limit either way: what went out may be less than what came in. */
function clearingOf(ledgerId: string, asset: string): AccountSpec {
  return { asset, role: "clearing", owner: null, reference: ledgerId };
}

/** Why an asset can neither leave nor enter a ledger; null where it can. */
function refusalOf(asset: Asset): string | null {
  if (asset.program !== null) return "asset_belongs_to_a_program";
  if (!asset.transferable) return "asset_not_transferable";
  return asset.supplyCap === null ? null : "asset_has_a_supply_cap";
}

/**
 * Holds the amount and writes down where it goes. The same request again answers the same.
 * @param to who the other ledger is; or why nothing can be sent there, and only what was sent before is answered
 * @throws DomainError `not_found`, `invalid_request`, `insufficient_balance`
 */
export function sendUnit(
  accountId: AccountIdOf,
  request: SendRequest,
  to: string | DomainError,
  key: Idempotency | undefined,
): Unit<SendAnswer> {
  const { asset: hint, ...sent } = request;
  const { id, fromAccount } = sent;
  const clearing = typeof to === "string" && hint !== undefined ? [accountId(clearingOf(to, hint))] : [];
  return {
    name: "inter-ledger.send",
    idempotency: key,
    reads: {
      ...{ transfers: [id], accounts: [fromAccount, ...clearing], assets: hint === undefined ? [] : [hint] },
      rows: [{ table: departureTable, key: { id } }],
    },
    decide(view) {
      const known = view.row(departureTable, { id });
      if (known) return sameAsBefore(known, request);
      if (to instanceof DomainError) throw to;
      const asset = sendableAsset(view, fromAccount);
      const hold = holdOf(view, request, asset, view.openAccount(clearingOf(to, asset.code)));
      const departure: Departure = {
        ...{ ...sent, toLedgerId: to, asset: asset.code, seq: hold },
        ...{ state: "pending", arrivalId: null, reason: null, sentAt: view.now, resolvedAt: null },
      };
      view.putRow(departureTable, departure);
      tell(view, "inter_ledger.sent", departure, {});
      return { id, asset: asset.code, seq: hold };
    },
  };
}

function sendableAsset(view: View, fromAccount: string): Asset {
  const account = view.account(fromAccount);
  const asset = account && view.asset(account.asset);
  if (!asset) throw new DomainError("not_found", "There is no such account", of("from_account"));
  const code = refusalOf(asset);
  if (code)
    throw new DomainError("invalid_request", `${asset.code} does not leave its ledger: ${code}`, {
      details: { code, member: "from_account" },
    });
  return asset;
}

/** @returns its place in the journal */
function holdOf(view: View, request: SendRequest, { code: unit, scale }: Asset, clearing: string): number {
  const { id, fromAccount, amount, reference } = request;
  const [result] = view.tryTransfers(
    [
      {
        ...{ id, debitAccount: fromAccount, creditAccount: clearing, amount },
        ...{ phase: "pending", code: "inter-ledger" },
        ...(reference === null ? {} : { reference }),
      },
    ],
    "program",
  );
  const code = result?.code;
  if (code === "ok" && result?.transfer) return result.transfer.seq;
  if (code === "exceeds_credits") {
    const required = formatAmount(amount, scale);
    const available = formatAmount(view.availableBalance(fromAccount), scale);
    throw new DomainError(
      "insufficient_balance",
      `The account does not hold that much ${unit}: ${required} needed, ${available} available`,
      { details: `Required: ${required} ${unit}, Available: ${available} ${unit}` },
    );
  }
  throw new DomainError("invalid_request", `The transfer is refused: ${code}`, { details: { code } });
}

function sameAsBefore(known: Departure, request: SendRequest): SendAnswer {
  const same =
    known.fromAccount === request.fromAccount &&
    known.toLedger === request.toLedger &&
    known.toAccount === request.toAccount &&
    known.amount === request.amount &&
    known.reference === request.reference;
  if (!same) throw new DomainError("invalid_request", "The id is another transfer's", of("id"));
  return { id: known.id, asset: known.asset, seq: known.seq };
}

/**
 * In the other ledger. The first decision stands: who comes later, or again, gets it.
 * @param lineId of the line that credits, where this is the first time
 */
export function receiveUnit(
  accountId: AccountIdOf,
  parcel: Parcel,
  fromLedger: string | null,
  lineId: string,
): Unit<Decision> {
  const { fromLedgerId, transferId, toAccount, asset } = parcel;
  const key = { from_ledger_id: fromLedgerId, transfer_id: transferId };
  return {
    name: "inter-ledger.receive",
    reads: {
      accounts: [toAccount, accountId(clearingOf(fromLedgerId, asset))],
      ...{ transfers: [lineId], assets: [asset], rows: [{ table: arrivalTable, key }] },
    },
    decide(view) {
      const known = view.row(arrivalTable, key);
      if (known) return decisionOf(known);
      const refusal = credit(view, parcel, lineId);
      const arrival: Arrival = {
        ...{ fromLedgerId, transferId, refusal, decidedAt: view.now },
        lineId: refusal === null ? lineId : null,
      };
      view.putRow(arrivalTable, arrival);
      if (refusal === null)
        view.emit({
          type: "inter_ledger.arrived",
          subject: view.account(toAccount)?.owner ?? null,
          data: {
            ...{ transfer_id: transferId, from_ledger: fromLedger, from_ledger_id: fromLedgerId },
            ...{
              arrival_id: lineId,
              account: toAccount,
              asset,
              amount: formatAmount(parcel.amount, parcel.scale),
            },
          },
        });
      return decisionOf(arrival);
    },
  };
}

function decisionOf({ lineId, refusal }: Arrival): Decision {
  return lineId === null ? { lineId, refusal: refusal ?? "" } : { lineId, refusal: null };
}

/** @returns why it is refused for good; null where it is credited */
function credit(view: View, parcel: Parcel, lineId: string): string | null {
  const asset = view.asset(parcel.asset);
  if (!asset) return "asset_not_found";
  const refusal = asset.scale === parcel.scale ? refusalOf(asset) : "asset_has_another_scale";
  if (refusal) return refusal;
  if (!view.account(parcel.toAccount)) return "account_not_found";
  const request: TransferRequest = {
    ...{ id: lineId, debitAccount: view.openAccount(clearingOf(parcel.fromLedgerId, asset.code)) },
    ...{ creditAccount: parcel.toAccount, amount: parcel.amount, code: "inter-ledger" },
    ...(parcel.reference === null ? {} : { reference: parcel.reference }),
  };
  const [result] = view.tryTransfers([request], "program");
  if (!result) throw new Error("a transfer has a result");
  return result.code === "ok" ? null : result.code;
}

/** Answers whether it did anything. @throws Error where the hold was resolved by somebody else: a person has to look */
export function resolveUnit(
  accountId: AccountIdOf,
  { id, fromAccount, toLedgerId, asset }: Departure,
  lineId: string,
  decision: Decision,
): Unit<boolean> {
  return {
    name: "inter-ledger.resolve",
    reads: {
      accounts: [fromAccount, accountId(clearingOf(toLedgerId, asset))],
      ...{ transfers: [lineId], pendings: [id], assets: [asset] },
      rows: [{ table: departureTable, key: { id } }],
    },
    decide(view) {
      const departure = view.row(departureTable, { id });
      if (!departure) throw new Error(`there is no transfer ${id} between ledgers`);
      if (departure.state !== "pending") return false;
      const phase = decision.refusal === null ? "post" : "void";
      const resolution: TransferRequest = { id: lineId, phase, pendingId: id, code: "inter-ledger" };
      const [result] = view.tryTransfers([resolution], "program");
      if (result?.code !== "ok")
        throw new Error(`the hold of transfer ${id} between ledgers cannot be resolved: ${result?.code}`);
      const resolved = { ...departure, resolvedAt: view.now };
      if (decision.refusal === null) {
        view.putRow(departureTable, { ...resolved, state: "posted", arrivalId: decision.lineId });
        tell(view, "inter_ledger.posted", departure, { arrival_id: decision.lineId });
      } else {
        view.putRow(departureTable, { ...resolved, state: "voided", reason: decision.refusal });
        tell(view, "inter_ledger.voided", departure, { reason: decision.refusal });
      }
      return true;
    },
  };
}

function tell(view: View, type: string, departure: Departure, more: Record<string, string>): void {
  const { id, toLedger, toLedgerId, fromAccount, toAccount, amount } = departure;
  const asset = view.asset(departure.asset);
  if (!asset) throw new Error(`there is no asset ${departure.asset}`);
  view.emit({
    type,
    subject: view.account(fromAccount)?.owner ?? null,
    data: {
      ...{ transfer_id: id, to_ledger: toLedger, to_ledger_id: toLedgerId, account: fromAccount },
      ...{ to_account: toAccount, asset: asset.code, amount: formatAmount(amount, asset.scale), ...more },
    },
  });
}

function of(member: string) {
  return { details: { member } };
}
