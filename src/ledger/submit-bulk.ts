/**
 * Long lists of transfers or accounts as units of work of at most 500 lines, one
 * after the other, so that they do not keep others waiting and a slice never
 * runs where one before it could not. A linked chain is never split.
 */
import { DomainError } from "#kernel";
import type { Json } from "./json.ts";
import type { Ledger } from "./ledger.ts";
import { type AccountRequest, openRequestedAccount } from "./open-account.ts";
import type { PreparedTransfer } from "./prepare-transfers.ts";
import type { AccountCode, TransferCode } from "./result-codes.ts";
import type { Idempotency, Reads, Submitted, Unit, View } from "./unit.ts";

const MAX_SLICE_LINES = 500;

export type BulkAnswer<Code extends string> = {
  readonly index: number;
  readonly id: string;
  readonly code: Code;
  /** Place in the journal: of the new line, or of the one that exists. */
  readonly seq?: number;
};

/** A code for each, in order. `replayed` where all of it was answered before under the same key. */
export function submitTransfers(
  ledger: Ledger,
  transfers: readonly PreparedTransfer[],
  idempotency?: Idempotency,
): Promise<Submitted<BulkAnswer<TransferCode>[]>> {
  return submitSlices(ledger, idempotency, slicesOfChains(transfers), (slice, first) => ({
    name: "transfers",
    reads: transferReads(slice),
    decide(view) {
      // Nothing of a list is done where one of its amounts is none, so the first slice speaks for all.
      for (const { refusal } of first === 0 ? transfers : slice) if (refusal) throw refusal;
      for (const transfer of slice) assertScaleStillUnknown(view, transfer);
      const results = view.tryTransfers(slice.map(({ request }) => request));
      return results.map(({ code, transfer }, place) => ({
        index: first + place,
        id: slice[place]?.request.id ?? "",
        code,
        ...(transfer ? { seq: transfer.seq } : {}),
      }));
    },
  }));
}

/** What `submitTransfers` would answer now, all of it decided at one moment. Writes nothing, burns no id, keeps no answer. */
export async function tryTransfers(
  ledger: Ledger,
  transfers: readonly PreparedTransfer[],
): Promise<BulkAnswer<TransferCode>[]> {
  const { value } = await ledger.submit<BulkAnswer<TransferCode>[]>({
    name: "transfers.dry-run",
    dryRun: true,
    bulk: true,
    weight: transfers.length,
    reads: transferReads(transfers),
    decide(view) {
      for (const { refusal } of transfers) if (refusal) throw refusal;
      for (const transfer of transfers) assertScaleStillUnknown(view, transfer);
      return view.tryTransfers(transfers.map(({ request }) => request)).map(({ code, transfer }, index) => ({
        index,
        id: transfers[index]?.request.id ?? "",
        code,
        // A line that is not written has no place.
        ...(transfer && code !== "ok" ? { seq: transfer.seq } : {}),
      }));
    },
  });
  return value;
}

/** What `submitAccounts` would answer now. */
export async function tryAccounts(
  ledger: Ledger,
  accounts: readonly AccountRequest[],
): Promise<BulkAnswer<AccountCode>[]> {
  const { value } = await ledger.submit<BulkAnswer<AccountCode>[]>({
    name: "accounts.dry-run",
    dryRun: true,
    bulk: true,
    weight: accounts.length,
    reads: accountReads(accounts),
    decide: (view) =>
      accounts.map((request, index) => ({
        index,
        id: request.id,
        code: openRequestedAccount(view, request),
      })),
  });
  return value;
}

function accountReads(accounts: readonly AccountRequest[]): Reads {
  return { accounts: accounts.map(({ id }) => id), assets: [...new Set(accounts.map(({ asset }) => asset))] };
}

/** Opens accounts; a code for each, in order. */
export function submitAccounts(
  ledger: Ledger,
  accounts: readonly AccountRequest[],
  idempotency?: Idempotency,
): Promise<Submitted<BulkAnswer<AccountCode>[]>> {
  return submitSlices(ledger, idempotency, slicesOf(accounts), (slice, first) => ({
    name: "accounts",
    reads: accountReads(slice),
    decide: (view) =>
      slice.map((request, place) => ({
        index: first + place,
        id: request.id,
        code: openRequestedAccount(view, request),
      })),
  }));
}

type SliceUnit<R extends Json> = Pick<Unit<readonly R[]>, "name" | "reads" | "decide">;

async function submitSlices<T, R extends Json>(
  ledger: Ledger,
  idempotency: Idempotency | undefined,
  slices: readonly (readonly T[])[],
  toUnit: (slice: readonly T[], first: number) => SliceUnit<R>,
): Promise<Submitted<R[]>> {
  const value: R[] = [];
  let replayed = slices.length > 0;
  for (const [place, slice] of slices.entries()) {
    const answer = await ledger.submit<readonly R[]>({
      ...toUnit(slice, value.length),
      idempotency: idempotency && keyOfSlice(idempotency, place),
      bulk: true,
      weight: slice.length,
    });
    value.push(...answer.value);
    replayed &&= answer.replayed;
  }
  return { value, replayed };
}

/** The first slice carries the key itself and so finds out that it was used for something else; a space is in no caller's key. */
function keyOfSlice(idempotency: Idempotency, place: number): Idempotency {
  return place === 0 ? idempotency : { ...idempotency, key: `${idempotency.key} ${place + 1}` };
}

function slicesOf<T>(items: readonly T[]): T[][] {
  const slices: T[][] = [];
  for (let from = 0; from < items.length; from += MAX_SLICE_LINES)
    slices.push(items.slice(from, from + MAX_SLICE_LINES));
  return slices;
}

/** Chains longer than a slice stay whole too: they are refused whole. */
function slicesOfChains(transfers: readonly PreparedTransfer[]): PreparedTransfer[][] {
  const slices: PreparedTransfer[][] = [];
  let slice: PreparedTransfer[] = [];
  for (let from = 0; from < transfers.length; ) {
    let to = from;
    while (to < transfers.length && transfers[to]?.request.linked) to++;
    const chain = transfers.slice(from, to + 1);
    if (slice.length > 0 && slice.length + chain.length > MAX_SLICE_LINES) {
      slices.push(slice);
      slice = [];
    }
    slice.push(...chain);
    from += chain.length;
  }
  if (slice.length > 0) slices.push(slice);
  return slices;
}

function transferReads(slice: readonly PreparedTransfer[]): Reads {
  return {
    transfers: slice.map(({ request }) => request.id),
    pendings: slice.flatMap(({ request }) => request.pendingId ?? []),
    accounts: [...new Set(slice.flatMap(({ accounts }) => accounts))],
    assets: [...new Set(slice.flatMap(({ assets }) => assets))],
  };
}

/**
 * An amount was read without knowing its asset, because nothing it names was there. If that has
 * come into being meanwhile, the amount may be wrong by powers of ten: nothing is decided with it.
 */
function assertScaleStillUnknown(view: View, { request, scaleKnown }: PreparedTransfer): void {
  if (scaleKnown || request.amount === undefined) return;
  const { debitAccount, creditAccount, pendingId } = request;
  const appeared =
    (debitAccount !== undefined && view.account(debitAccount)) ||
    (creditAccount !== undefined && view.account(creditAccount)) ||
    (pendingId !== undefined && view.transfer(pendingId));
  if (appeared)
    throw new DomainError("unavailable", "An account of this request was opened meanwhile; send it again", {
      retryAfterSeconds: 1,
    });
}
