/**
 * What others do with what comes from the chain. The watcher knows contracts and lines; who a wallet belongs to, what a
 * lock or stake is, and where a withdrawal stands is for the modules that own those, in the very unit of the event's line.
 */
import type { Amount } from "#kernel";
import type { Account, Json, Submitted, Unit, View } from "#ledger";
import type { Hex } from "#proof";
import type { CreditedAs } from "./tables.ts";

/** A direct entry, as its depositor asked for it. */
export interface Entry {
  readonly asset: string;
  readonly entry: number;
  readonly depositor: Hex;
  readonly amount: Amount;
  /** Which position was asked for, by the number of its section: 0 is a deposit. */
  readonly section: number;
  /** A stake's tier, a reservation's entity type. */
  readonly kind: number;
  readonly durationSeconds: bigint;
  /** Agreement, strategy or entity; null where it is no text. Anybody's text: nothing about it was checked. */
  readonly ref: string | null;
}

/** Into what an entry was put beside the available balance. */
export interface Placed {
  readonly as: Exclude<CreditedAs, "available" | "nothing">;
  readonly holdingId: string;
}

export interface Claim {
  readonly asset: string;
  /** Whose payouts they were. */
  readonly user: string;
  readonly key: Hex;
  /** Who got them. */
  readonly owner: Hex;
  readonly amount: Amount;
  /** All that was ever paid for the key. */
  readonly total: Amount;
  readonly txHash: Hex;
  readonly block: number;
  /** Of the claim's line. */
  readonly seq: number;
}

export interface Cancellation {
  readonly asset: string;
  readonly key: Hex;
  /** Who asked; it counts where this wallet owns the key's positions. */
  readonly wallet: Hex;
  readonly txHash: Hex;
  readonly block: number;
  readonly seq: number;
}

/** All but `submit` run inside units, by their rules; what they draw they draw when they are made. */
export interface ChainEffects {
  /** Runs a unit whose effects may change limits that others keep counters of. */
  submit<R extends Json>(unit: Unit<R>): Promise<Submitted<R>>;
  /** The user who has linked a wallet, or null. */
  userOf(view: View, asset: string, wallet: Hex): string | null;
  /** Puts what was just credited to a user's available balance into what the entry asked for. @throws DomainError where that is impossible */
  placing(entry: Entry): (view: View, user: string) => Placed | null;
  /** Ends whatever an account's amount stands for, ahead of the sweep that takes the amount. */
  ending(): (view: View, account: Account) => void;
  /** The payouts of a user whose positions carry a wallet, opened with their position where they are new. */
  payoutsOf(view: View, asset: string, user: string): string;
  claimed(view: View, claim: Claim): void;
  walletCancelled(view: View, cancellation: Cancellation): void;
}
