/**
 * What becomes of an event that is final: its line in the journal and all that follows from it, in one unit of work, so
 * that there is never one without the other, and once, however often it is asked for. Entries are credited whatever their
 * age and in the order of their numbers, which the registry gave them without a gap.
 */
import { type Amount, formatAmount, type Ids } from "#kernel";
import type { Json, Unit, View } from "#ledger";
import { encodeStatement, fromHex, type Hex, toChecksumAddress } from "#proof";
import type { BookRow } from "../model.ts";
import type { ChainEffects, Entry } from "./effects.ts";
import { entryTable, eventTable } from "./tables.ts";

/** The events that have a line, and no others. */
export const RECORDED = ["EntryMade", "Claimed", "ExitDemanded", "DemandServed", "WalletCancelled"] as const;

/** One of them, as `watch-to-record` finds it: what its kind has no use for is null. */
export interface FinalEvent {
  readonly block: number;
  readonly tx_hash: Hex;
  readonly log_index: number;
  readonly event: (typeof RECORDED)[number];
  readonly entry: bigint;
  readonly depositor: Hex;
  readonly amount: Amount;
  readonly section: number;
  readonly kind: number;
  readonly duration: bigint;
  readonly ref: string | null;
  readonly index: number;
  readonly key: Hex;
  readonly owner: Hex;
  readonly due: number;
  readonly total: Amount;
  readonly wallet: Hex;
}

/** What the chain says and what this ledger knows cannot both be: nothing is done about it before a person has looked. */
export class DoubtfulEvent extends Error {
  constructor({ event, tx_hash, log_index }: FinalEvent, why: string) {
    super(`${event} ${tx_hash}/${log_index}: ${why}`);
    this.name = "DoubtfulEvent";
  }
}

/** The position that a demand or claim is about. */
export interface KnownPosition {
  readonly account: string;
  /** Of the account; null for one of the system's. */
  readonly owner: string | null;
  readonly key: Uint8Array;
  /** All that ever left its account. */
  readonly debited: Amount;
}

export interface RecordingParts {
  readonly book: BookRow;
  readonly ids: Ids;
  readonly effects: ChainEffects;
}

/** An owner of what a wallet that nobody has linked brought in. */
export function walletOwner(wallet: Hex): string {
  return `wallet:${wallet.toLowerCase()}`;
}

/** The owner that stands for the treasury. */
export const TREASURY_USER = "@treasury";
const SALT_BYTES = 32;

/** Whether this unit wrote the line. */
export type Recording = Unit<boolean>;

/** A unit that writes the event's line where it has none yet, and then does what follows from it. */
export function recording(
  { book }: RecordingParts,
  event: FinalEvent,
  line: { readonly name: string; readonly account?: string; readonly reads?: Unit<Json>["reads"] },
  follow: (view: View, seq: number) => void,
): Recording {
  const place = { chainId: book.chainId, txHash: event.tx_hash, logIndex: event.log_index };
  const key = { book: book.id, tx_hash: event.tx_hash, log_index: event.log_index };
  return {
    name: `settlement.${line.name}`,
    bulk: true,
    weight: 4,
    reads: {
      ...line.reads,
      assets: [book.asset],
      chainEvents: [place],
      rows: [...(line.reads?.rows ?? []), { table: eventTable, key }],
    },
    decide(view) {
      const row = view.row(eventTable, key);
      // Taken back meanwhile, or recorded by another instance.
      if (!row || row.final) return false;
      const account = line.account === undefined ? {} : { account: line.account };
      const { block, event: name } = event;
      const said = { ...place, registry: book.registry, block, event: name, ...account };
      const seq = view.recordChainEvent(said);
      if (seq === null)
        throw new Error(`event ${event.tx_hash}/${event.log_index} has a line and is not final`);
      view.putRow(eventTable, { ...row, final: true, seq });
      follow(view, seq);
      return true;
    },
  };
}

/** @param frozen entries of a frozen book are paid back on-chain, and so not credited */
export function entryUnit(
  parts: RecordingParts,
  event: FinalEvent,
  entry: number,
  frozen: boolean,
): Recording {
  const { book, ids, effects } = parts;
  const asked = entryOf(book, event, entry);
  const place = effects.placing(asked);
  const [transferId, salt] = [ids.uuid(), ids.bytes(SALT_BYTES)];
  const reads = { rows: [{ table: entryTable, key: { book: book.id, entry } }] };
  return recording(parts, event, { name: "entry", reads }, (view, seq) => {
    const row = {
      ...{ book: book.id, entry, txHash: event.tx_hash, logIndex: event.log_index, seq },
      ...{ depositor: asked.depositor, amount: asked.amount },
    };
    if (frozen) {
      view.putRow(entryTable, { ...row, ownerId: null, creditedAs: "nothing", holdingId: null });
      return;
    }
    const user = effects.userOf(view, book.asset, asked.depositor);
    const ownerId = user ?? walletOwner(asked.depositor);
    const drawn = { transferId, salt };
    if (user === null) ownByEntry(view, book.asset, ownerId, event, salt);
    credit(view, { asset: book.asset, ownerId, linked: user !== null, amount: asked.amount, ...drawn });
    const placed = user === null ? null : view.attempt(() => place(view, user));
    view.putRow(entryTable, {
      ...{ ...row, ownerId, creditedAs: placed?.as ?? "available", holdingId: placed?.holdingId ?? null },
    });
    view.emit({
      type: "entry.credited",
      subject: user,
      data: {
        ...{ entry, wallet: toChecksumAddress(asked.depositor), user_id: user, asset: book.asset },
        ...{ amount: amountText(view, book.asset, asked.amount), credited_as: placed?.as ?? "available" },
        ...{ holding_id: placed?.holdingId ?? null, tx_hash: event.tx_hash },
      },
    });
  });
}

function entryOf({ asset }: BookRow, event: FinalEvent, entry: number): Entry {
  return {
    ...{ asset, entry, depositor: event.depositor, amount: event.amount, section: event.section },
    ...{ kind: event.kind, durationSeconds: event.duration, ref: event.ref },
  };
}

/** A wallet owns what it brought in by its own transaction, which is the statement that stands in the position's line. */
function ownByEntry(view: View, asset: string, ownerId: string, event: FinalEvent, salt: Uint8Array): void {
  if (view.openOwner(ownerId, salt).wallets.has(asset)) return;
  const { depositor, tx_hash: txHash, log_index: logIndex } = event;
  view.setOwnerWallet(ownerId, asset, {
    wallet: fromHex(depositor, 20),
    proof: encodeStatement({ kind: "entry", txHash, logIndex: BigInt(logIndex) }),
  });
}

/** To the available balance of the user, or of the wallet itself until somebody has linked it. */
function credit(
  view: View,
  to: {
    readonly asset: string;
    readonly ownerId: string;
    readonly linked: boolean;
    readonly amount: Amount;
    readonly transferId: string;
    readonly salt: Uint8Array;
  },
): void {
  const { asset, ownerId } = to;
  view.openOwner(ownerId, to.salt);
  const account = view.openAccount(
    ownerId === TREASURY_USER
      ? { asset, role: "treasury", owner: null }
      : { asset, role: to.linked ? "available" : "deposited", owner: ownerId },
  );
  view.move({
    id: to.transferId,
    debitAccount: view.openAccount({ asset, role: "custody", owner: null }),
    creditAccount: account,
    amount: to.amount,
    code: "entry_credit",
  });
  view.setPosition({
    ...{ account, section: "balances", user: ownerId, keyParts: [ownerId] },
    ...{ validUntil: 0, kind: 0, quantity: 0 },
  });
}

/** What was paid out on-chain is no more on the books. */
export function claimUnit(parts: RecordingParts, event: FinalEvent, payouts: KnownPosition): Recording {
  const { book, ids, effects } = parts;
  const transferId = ids.uuid();
  return recording(parts, event, { name: "claim", reads: { accounts: [payouts.account] } }, (view, seq) => {
    const before = view.account(payouts.account)?.debitsPosted ?? 0n;
    if (before + event.amount !== event.total)
      throw new Error(`a claim of ${event.amount} makes ${event.total}, and ${before} were claimed before`);
    view.move({
      id: transferId,
      debitAccount: payouts.account,
      creditAccount: view.openAccount({ asset: book.asset, role: "custody", owner: null }),
      amount: event.amount,
      code: "withdrawal_claimed",
    });
    effects.claimed(view, {
      ...{ asset: book.asset, user: payouts.owner ?? TREASURY_USER, key: event.key, owner: event.owner },
      ...{ amount: event.amount, total: event.total, txHash: event.tx_hash, block: event.block, seq },
    });
  });
}

export function cancellationUnit(parts: RecordingParts, event: FinalEvent): Recording {
  const { book, effects } = parts;
  return recording(parts, event, { name: "wallet_cancelled" }, (view, seq) => {
    effects.walletCancelled(view, {
      ...{ asset: book.asset, key: event.key, wallet: event.wallet },
      ...{ txHash: event.tx_hash, block: event.block, seq },
    });
  });
}

export function amountText(view: View, asset: string, amount: Amount): string {
  return formatAmount(amount, view.asset(asset)?.scale ?? 0);
}
