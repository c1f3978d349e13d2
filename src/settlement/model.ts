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
 * finalize is, as deep as configured; `vetoed`: the chain dropped it, or one
 * before it, and an operator has to look before its number is built again;
 * `cancelled`: the book was frozen before it was final.
 */
export type EpochStatus = "built" | "sent" | "committed" | "final" | "vetoed" | "cancelled";

/** What is done on the chain: a commit and a finalize once for each epoch, a serve once for each demand. */
export type ActionKind = "commit" | "finalize" | "serve";

export interface Action {
  readonly kind: ActionKind;
  readonly epoch: number;
  /** What it acts on: the header's hash, or the demand. An epoch's number may be built again, with another header. */
  readonly subject: string;
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
  readonly finalizeBlock: number | null;
  /** By the clock of the chain's blocks; null until it is committed. */
  readonly windowUntil: UnixSeconds | null;
  /** Likewise, when some server looked at the chain last. */
  readonly isWindowOpen: boolean | null;
  /** Of the chain, when somebody looked last; null where nobody does. */
  readonly latestBlock: number | null;
  readonly attestations: AttestationCount;
}

/** Of the registry's attesters, as far as the job saw them last. */
export interface AttestationCount {
  /** How many of them signed this epoch's header. */
  readonly given: number;
  /** How many must; null where the registry was never asked. */
  readonly needed: number | null;
  /** How many there are; likewise. */
  readonly attesters: number | null;
}

/** How far a position's last change has come. */
export interface PositionSettlement {
  readonly status: "pending" | "committed" | "final";
  /** The epoch that holds it; null where none does yet. */
  readonly epoch: number | null;
  /** The epoch's commit; null until it is mined. */
  readonly txHash: Hex | null;
}

/** How far a journal line has come. */
export interface LineSettlement extends PositionSettlement {
  readonly epoch: number;
  /** Time of the block of the epoch's commit; null until it is mined. */
  readonly committedAt: UnixSeconds | null;
}
