/**
 * How a transfer comes to each code, and which two codes no transfer can have
 * both. A way changes members of a request that is else in order; two ways that
 * change different members make a request with both faults. Where the same
 * member decides of both, the request is written out.
 */
import { randomUUID } from "node:crypto";
import { TRANSFER_CODES, type TransferCode, type TransferRequest } from "#ledger";
import { transfer } from "../support/ledger.ts";
import type { CodeWorld } from "./code-world.ts";

export type Kind = "movement" | "post" | "void";
type Members = { readonly [M in keyof TransferRequest]?: TransferRequest[M] | undefined };
export interface Way {
  readonly code: TransferCode;
  readonly on: readonly Kind[];
  readonly set: (world: CodeWorld, id: string) => Members;
}

export function request(kind: Kind, world: CodeWorld): TransferRequest {
  if (kind === "movement") return transfer(world.a, world.b, 6n);
  return { id: randomUUID(), phase: kind, pendingId: world.pendings.open };
}

const FAR = 4_000_000_000;
const MAX = 2n ** 128n - 1n;
const ANY = ["movement", "post", "void"] as const;
const RESOLUTION = ["post", "void"] as const;
const way = (code: TransferCode, on: readonly Kind[], set: Way["set"]): Way => ({ code, on, set });
const holdOf = (code: TransferCode, state: keyof CodeWorld["pendings"], on: readonly Kind[] = RESOLUTION) =>
  way(code, on, (w) => ({ pendingId: w.pendings[state] }));

/** Every code behind those of an id that exists. */
export const WAYS: readonly Way[] = [
  way("id_already_failed", ANY, (w) => ({ id: w.failedId })),
  way("pending_id_must_be_given", RESOLUTION, () => ({ pendingId: undefined })),
  way("pending_id_must_not_be_given", ["movement"], () => ({ pendingId: randomUUID() })),
  way("pending_id_must_be_different", RESOLUTION, (_, id) => ({ pendingId: id })),
  way("timeout_reserved_for_pending", ANY, () => ({ timeoutSeconds: 5 })),
  way("balancing_not_allowed_here", RESOLUTION, () => ({ balancing: "debit" })),
  way("amount_must_not_be_zero", ANY, () => ({ amount: 0n })),
  way("accounts_must_be_different", ANY, (w) => ({ debitAccount: w.a, creditAccount: w.a })),
  way("accounts_must_be_different", ANY, (w) => ({ debitAccount: w.b, creditAccount: w.b })),
  way("effective_at_in_the_future", ANY, () => ({ effectiveAt: FAR })),
  way("pending_transfer_not_found", RESOLUTION, () => ({ pendingId: randomUUID() })),
  way("pending_transfer_not_pending", RESOLUTION, (w) => ({ pendingId: w.singles.open })),
  way("pending_transfer_has_different_debit_account", RESOLUTION, (w) => ({ debitAccount: w.poor })),
  way("pending_transfer_has_different_credit_account", RESOLUTION, (w) => ({ creditAccount: w.full })),
  way("exceeds_pending_amount", RESOLUTION, () => ({ amount: 11n })),
  way("pending_transfer_has_different_amount", ["void"], () => ({ amount: 9n })),
  holdOf("pending_transfer_already_posted", "posted"),
  holdOf("pending_transfer_already_voided", "voided"),
  holdOf("pending_transfer_expired", "expired"),
  way("account_not_found", ["movement"], () => ({ debitAccount: randomUUID() })),
  way("account_not_found", ["movement"], () => ({ creditAccount: randomUUID() })),
  way("assets_differ", ["movement"], (w) => ({ debitAccount: w.other })),
  way("assets_differ", ["movement"], (w) => ({ creditAccount: w.other })),
  way("account_closed", ["movement"], (w) => ({ debitAccount: w.closed })),
  way("account_closed", ["movement"], (w) => ({ creditAccount: w.closed })),
  holdOf("account_closed", "openClosed", ["post"]),
  way("asset_not_transferable", ["movement"], (w) => ({ creditAccount: w.issuance })),
  way("asset_not_transferable", ["movement"], (w) => ({ debitAccount: w.locked })),
  holdOf("asset_not_transferable", "openClearing"),
  way("overflows", ["movement"], (w) => ({ debitAccount: w.whale })),
  way("overflows", ["movement"], () => ({ amount: 2n ** 128n })),
  way("overflows", ["movement"], () => ({ amount: 2n ** 128n, balancing: "debit" })),
  way("exceeds_supply_cap", ["movement"], (w) => ({
    debitAccount: w.cap.issuance,
    creditAccount: w.cap.user,
  })),
  way("exceeds_credits", ["movement"], (w) => ({ debitAccount: w.poor })),
  way("exceeds_debits", ["movement"], (w) => ({ creditAccount: w.full })),
];

const move = (debitAccount: string, creditAccount: string, amount = 6n, more: Members = {}) =>
  ({ id: randomUUID(), debitAccount, creditAccount, amount, ...more }) as TransferRequest;
const post = (pendingId: string, more: Members = {}) =>
  ({ id: randomUUID(), phase: "post", pendingId, ...more }) as TransferRequest;
const itself = (more: Members, id: string = randomUUID()) =>
  ({ id, ...more, pendingId: id }) as TransferRequest;
const all = (debitAccount: string, creditAccount: string, balancing: "debit" | "credit") =>
  move(debitAccount, creditAccount, 0n, { balancing });

/** Both codes of the key apply to the request; the first is the answer. */
export const WRITTEN_OUT: Readonly<Record<string, (w: CodeWorld) => TransferRequest>> = {
  "id_already_failed pending_id_must_be_different": (w) => itself({ phase: "post" }, w.failedId),
  "pending_id_must_not_be_given pending_id_must_be_different": (w) => {
    const moved = request("movement", w);
    return { ...moved, pendingId: moved.id };
  },
  "pending_id_must_be_different pending_transfer_not_found": () => itself({ phase: "post" }),
  "amount_must_not_be_zero pending_transfer_has_different_amount": (w) =>
    post(w.pendings.open, { phase: "void", amount: 0n }),
  "amount_must_not_be_zero exceeds_supply_cap": (w) => all(w.cap.issuance, w.cap.user, "debit"),
  "amount_must_not_be_zero exceeds_credits": (w) => all(w.poor, w.b, "debit"),
  "amount_must_not_be_zero exceeds_debits": (w) => all(w.a, w.full, "credit"),
  "accounts_must_be_different pending_transfer_has_different_debit_account": (w) =>
    post(w.pendings.open, { debitAccount: w.b, creditAccount: w.b }),
  "accounts_must_be_different pending_transfer_has_different_credit_account": (w) =>
    post(w.pendings.open, { debitAccount: w.a, creditAccount: w.a }),
  "accounts_must_be_different account_not_found": () => {
    const nowhere = randomUUID();
    return move(nowhere, nowhere);
  },
  "accounts_must_be_different account_closed": (w) => move(w.closed, w.closed),
  "accounts_must_be_different asset_not_transferable": (w) => move(w.issuance, w.issuance),
  "accounts_must_be_different overflows": (w) => move(w.whale, w.whale),
  "accounts_must_be_different exceeds_credits": (w) => move(w.poor, w.poor),
  "accounts_must_be_different exceeds_debits": (w) => move(w.full, w.full),
  "pending_transfer_not_pending account_closed": (w) => post(w.singles.closed),
  "pending_transfer_not_pending asset_not_transferable": (w) => post(w.singles.clearing),
  "exceeds_pending_amount pending_transfer_has_different_amount": (w) =>
    post(w.pendings.open, { phase: "void", amount: 11n }),
  "pending_transfer_already_posted pending_transfer_expired": (w) => post(w.pendings.postedDue),
  "pending_transfer_already_posted account_closed": (w) => post(w.pendings.postedClosed),
  "pending_transfer_already_posted asset_not_transferable": (w) => post(w.pendings.postedClearing),
  "pending_transfer_already_voided pending_transfer_expired": (w) => post(w.pendings.voidedDue),
  "pending_transfer_already_voided account_closed": (w) => post(w.pendings.voidedClosed),
  "pending_transfer_already_voided asset_not_transferable": (w) => post(w.pendings.voidedClearing),
  "pending_transfer_expired account_closed": (w) => post(w.pendings.expiredClosed),
  "pending_transfer_expired asset_not_transferable": (w) => post(w.pendings.expiredClearing),
  "account_not_found exceeds_supply_cap": (w) => move(w.cap.issuance, randomUUID()),
  "assets_differ account_closed": (w) => move(w.a, w.otherClosed),
  "assets_differ asset_not_transferable": (w) => move(w.a, w.otherIssuance),
  "assets_differ exceeds_supply_cap": (w) => move(w.cap.issuance, w.b),
  "account_closed asset_not_transferable": (w) => post(w.pendings.closedClearing),
  "account_closed exceeds_supply_cap": (w) => move(w.cap.issuance, w.cap.closed),
  "asset_not_transferable exceeds_supply_cap": (w) => move(w.cap.issuance, w.cap.locked),
  "overflows exceeds_supply_cap": (w) => move(w.cap.issuance, w.cap.user, MAX),
  "overflows exceeds_credits": (w) => move(w.poorWhale, w.b),
  "exceeds_supply_cap exceeds_debits": (w) => move(w.cap.issuance, w.cap.full),
  // The same request again, of which a part could not be written any more.
  "exists pending_transfer_already_posted": (w) => w.written.post,
  "exists pending_transfer_already_voided": (w) => w.written.void,
  "exists pending_transfer_expired": (w) => w.written.postDue,
  "exists account_closed": (w) => w.written.closed,
  "exists asset_not_transferable": (w) => w.written.clearing,
  "exists overflows": (w) => w.written.whale,
  "exists exceeds_supply_cap": (w) => w.written.cap,
  "exists exceeds_credits": (w) => w.written.poor,
  "exists exceeds_debits": (w) => w.written.full,
};

const CODES = TRANSFER_CODES;
const range = (first: TransferCode, last: TransferCode): readonly TransferCode[] =>
  CODES.slice(CODES.indexOf(first), CODES.indexOf(last) + 1);
export const EXISTS = range("exists_with_different_phase", "exists");
const OF_THE_PENDING = range("pending_transfer_not_found", "pending_transfer_expired");
/** Those of them that say where a hold stands; the others say what a request has otherwise than its hold. */
const OF_ITS_STATE = [
  ...range("pending_transfer_not_found", "pending_transfer_not_pending"),
  ...range("pending_transfer_already_posted", "pending_transfer_expired"),
];
const OF_A_MOVEMENT = [
  "account_not_found",
  "assets_differ",
  ...range("overflows", "exceeds_debits"),
] as const;

/** Two codes, one of each list, that no transfer can have both, and why. */
export const IMPOSSIBLE: readonly (readonly [
  one: readonly TransferCode[],
  other: readonly TransferCode[],
  why: string,
])[] = [
  [["ok"], CODES, "ok is the answer where nothing else is"],
  [
    ["linked_event_failed"],
    ["linked_event_chain_open"],
    "an open chain is not decided, so none of its legs has failed",
  ],
  [
    ["linked_event_failed"],
    ["linked_event_chain_too_long"],
    "the first leg says the reason, and the others that one has",
  ],
  [EXISTS, ["id_already_failed"], "an id that stays failed is never written"],
  [EXISTS.slice(0, -1), ["exists"], "the same request differs in nothing"],
  [
    ["exists"],
    [...range("pending_id_must_be_given", "effective_at_in_the_future")],
    "the request is the one that was written, so it was not malformed, and time does not run backwards",
  ],
  [
    ["exists"],
    [
      ...range("pending_transfer_not_found", "pending_transfer_has_different_amount"),
      "account_not_found",
      "assets_differ",
    ],
    "what it names was there when it was written, and stays as it was",
  ],
  [
    ["pending_id_must_be_given"],
    ["pending_id_must_not_be_given"],
    "one is for posts and voids, the other for all else",
  ],
  [["pending_id_must_not_be_given"], ["balancing_not_allowed_here"], "only a post or void cannot balance"],
  [
    ["pending_id_must_be_given"],
    ["pending_id_must_be_different", ...OF_ITS_STATE],
    "no pending transfer is named",
  ],
  [
    ["pending_id_must_be_given", "pending_id_must_be_different"],
    ["account_closed", "asset_not_transferable"],
    "a post or void takes its accounts from its pending transfer, and there is none",
  ],
  [["pending_id_must_not_be_given"], OF_THE_PENDING, "only a post or void looks at a pending transfer"],
  [
    ["pending_id_must_be_different"],
    OF_ITS_STATE.slice(1),
    "it names itself: either it is not there, or its id exists",
  ],
  [
    [
      "pending_id_must_be_given",
      "pending_id_must_be_different",
      "balancing_not_allowed_here",
      ...OF_THE_PENDING,
    ],
    OF_A_MOVEMENT,
    "a post or void looks at its pending transfer, which was found right in this",
  ],
  [["amount_must_not_be_zero"], ["exceeds_pending_amount"], "nothing is no more than anything"],
  [["accounts_must_be_different"], ["assets_differ"], "an account has one asset"],
  [
    ["accounts_must_be_different"],
    ["exceeds_supply_cap"],
    "nothing is issued to where it is issued, so there is no route",
  ],
  [
    ["pending_transfer_not_found"],
    [...OF_ITS_STATE, "account_closed", "asset_not_transferable"],
    "nothing is there to look at",
  ],
  [
    ["pending_transfer_not_pending"],
    range("pending_transfer_already_posted", "pending_transfer_expired"),
    "only a hold is resolved",
  ],
  [["pending_transfer_has_different_amount"], ["account_closed"], "a void works on a closed account"],
  [["pending_transfer_already_posted"], ["pending_transfer_already_voided"], "a hold is resolved once"],
  [
    ["exceeds_supply_cap"],
    ["exceeds_credits"],
    "the same shortness, by the name that the debit account's role gives it",
  ],
];
