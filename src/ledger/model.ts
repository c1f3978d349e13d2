/**
 * The nouns of the ledger. Amounts are base units in `bigint`, times are Unix
 * seconds, ids are lower-case UUID text.
 */
import type { Amount, UnixSeconds } from "#kernel";
import type { Hex, Section } from "#proof";

export const ACCOUNT_ROLES = [
  "available",
  "locked",
  "staked",
  "reserved",
  "general",
  "treasury",
  "issuance",
  "custody",
  "revenue",
  "burned",
  /** What is on its way to another ledger, or came from it; `reference` is who that is. */
  "clearing",
  /** What an owner has withdrawn to its wallet; what was claimed is debited again. */
  "payouts",
  /** What came in on-chain by a wallet that no user has linked; `owner` is `wallet:0x…`. */
  "deposited",
] as const;
export type AccountRole = (typeof ACCOUNT_ROLES)[number];

export interface Asset {
  readonly code: string;
  /** Decimals of a whole unit. */
  readonly scale: number;
  readonly transferable: boolean;
  readonly mintable: boolean;
  readonly supplyCap: Amount | null;
  /** The program that alone moves it and opens its accounts; null where the ledger API may. */
  readonly program: string | null;
  /** A book with a token was opened for it: what comes out of custody came in on the chain. */
  readonly backed: boolean;
  /** By "from>to": an amount moves only where there is a route. */
  readonly routes: ReadonlyMap<string, { readonly sameOwner: boolean }>;
}

export interface Account {
  readonly id: string;
  readonly asset: string;
  readonly role: AccountRole;
  readonly owner: string | null;
  readonly reference: string | null;
  /** How far debits (posted and pending) may exceed posted credits; null is no limit. */
  readonly debitAllowance: Amount | null;
  readonly creditAllowance: Amount | null;
  readonly closed: boolean;
  /** Its owner is leaving with it on-chain: nothing but the sweep of that demand debits it. */
  readonly exitDemanded: boolean;
  readonly debitsPosted: Amount;
  readonly creditsPosted: Amount;
  readonly debitsPending: Amount;
  readonly creditsPending: Amount;
  readonly metadata: unknown;
  readonly createdAt: UnixSeconds;
}

export type Phase = "single" | "pending" | "post" | "void" | "expire";

/** What a caller asks for. An omitted member stays omitted when requests are compared. */
export interface TransferRequest {
  readonly id: string;
  readonly debitAccount?: string;
  readonly creditAccount?: string;
  /** For `post` the part to post (all of it where omitted), for a balancing transfer the most to move. */
  readonly amount?: Amount;
  /** Default "transfer". */
  readonly code?: string;
  /** True: stands or falls with the next request of the same list. */
  readonly linked?: boolean;
  /** Default "single". */
  readonly phase?: "single" | "pending" | "post" | "void";
  readonly pendingId?: string;
  readonly timeoutSeconds?: number;
  /** Moves as much as the limit of that side allows, at most `amount`. */
  readonly balancing?: "debit" | "credit";
  readonly effectiveAt?: UnixSeconds;
  readonly reference?: string;
  readonly metadata?: unknown;
}

/** A journal line of the kind `transfer`, as stored. */
export interface Transfer {
  readonly seq: number;
  readonly id: string;
  readonly debitAccount: string;
  readonly creditAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly code: string;
  readonly phase: Phase;
  readonly pendingId: string | null;
  readonly expiresAt: UnixSeconds | null;
  readonly effectiveAt: UnixSeconds;
  readonly time: UnixSeconds;
  readonly reference: string | null;
  readonly metadata: unknown;
  /** Bit set of `src/ledger/request-members.ts`. */
  readonly requestedMembers: number;
  readonly requestedAmount: Amount | null;
}

/** An open pending transfer. */
export interface Hold {
  readonly transferId: string;
  readonly seq: number;
  readonly debitAccount: string;
  readonly creditAccount: string;
  readonly asset: string;
  readonly amount: Amount;
  readonly expiresAt: UnixSeconds | null;
}

/** What a settled leaf says beside its amount, which is its account's. */
export interface Position {
  readonly account: string;
  readonly asset: string;
  readonly section: Section;
  readonly index: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 20 bytes; zero without a linked wallet. */
  readonly owner: Uint8Array;
  readonly validUntil: UnixSeconds;
  readonly kind: number;
  readonly quantity: number;
}

/** A user (or a system owner such as "@treasury"): the salt of its position keys, the wallet it named. */
export interface Owner {
  readonly id: string;
  /** 32 random bytes. */
  readonly salt: Uint8Array;
  /** 20 bytes; remembered, not proven. */
  readonly walletAddress: Uint8Array | null;
  /** By asset: the wallet that its positions carry. */
  readonly wallets: ReadonlyMap<string, OwnerWallet>;
}

/** A wallet that was linked by signature. */
export interface OwnerWallet {
  /** 20 bytes, not zero. */
  readonly wallet: Uint8Array;
  /** The statement that stands in the line of a position that gets it: see docs/wallets.md. */
  readonly proof: Hex;
}
