/**
 * The nouns of settlement. Epoch numbers, journal sizes and block numbers are
 * counts and arrive as `number`; the format's own integers (headers, leaves) are
 * `bigint`.
 */
import type { UnixSeconds } from "#kernel";
import type { Header, Hex } from "#proof";

/** One registry on one chain, for one asset. */
export interface BookRow {
  readonly id: number;
  readonly asset: string;
  readonly chainId: number;
  /** Addresses in lower case. */
  readonly registry: Hex;
  readonly token: Hex;
  /** In the order of the sections. */
  readonly custodians: readonly Hex[];
  readonly deployedBlock: number;
}

/**
 * `built`: closed, nothing signed yet; `sent`: a transaction was signed, or was
 * mined and got lost again; `committed`: the commit is mined; `final`: the
 * finalize is, as deep as configured; `vetoed`: stopped, needs an operator.
 */
export type EpochStatus = "built" | "sent" | "committed" | "final" | "vetoed";

/** What is done on the chain for each epoch, in this order. */
export type ActionKind = "commit" | "finalize";

export interface Action {
  readonly epoch: number;
  readonly kind: ActionKind;
}

/** An epoch as readers see it. */
export interface EpochView {
  readonly epoch: number;
  readonly status: EpochStatus;
  readonly header: Header;
  readonly headerHash: Hex;
  readonly journalSize: number;
  readonly leavesChanged: number;
  readonly closedAt: UnixSeconds;
  /** The commit; null until it is mined. */
  readonly txHash: Hex | null;
  readonly blockNumber: number | null;
  readonly blockTime: UnixSeconds | null;
  readonly gasUsed: number | null;
  readonly finalizeTxHash: Hex | null;
  readonly finalizeGasUsed: number | null;
}

/** How far a position's last change has come. */
export interface PositionSettlement {
  readonly status: "pending" | "committed" | "final";
  /** The epoch that holds it; null where none does yet. */
  readonly epoch: number | null;
  /** The epoch's commit; null until it is mined. */
  readonly txHash: Hex | null;
}
