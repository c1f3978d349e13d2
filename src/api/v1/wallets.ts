/**
 * Wallets over HTTP. The user is always the token's, the treasury always the
 * operator's to name a wallet for; neither route takes anybody else's name.
 */
import { z } from "zod";
import { formatAmount } from "#kernel";
import type { Hex } from "#proof";
import type { Settlement } from "#settlement";
import type { WalletsAnswer } from "#wallets";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { assetQuery, settlementOf } from "./settlement-books.ts";
import { type WalletBooks, walletsFor } from "./wallet-books.ts";
import {
  cancelBody,
  linkBody,
  linkOut,
  messageBody,
  messageOut,
  ownershipOut,
  walletsOut,
} from "./wallet-schemas.ts";

export interface WalletRouteDeps extends WalletBooks {
  /** The owner that stands for the treasury. */
  readonly treasuryUser: string;
  readonly settlement: Settlement;
  readonly asset: { readonly code: string; readonly scale: number };
  /** Books of other assets, by asset. */
  readonly books?:
    | ReadonlyMap<string, { readonly settlement: Settlement; readonly scale: number }>
    | undefined;
}

const tags = ["Wallets"] as const;
const LINK_ERRORS = [
  "invalid_signature",
  "wallet_taken",
  "wallet_change_announced",
  "not_found",
  "unavailable",
] as const;
const asItIs = <T>(value: T): T => value;

export function walletRoutes(deps: WalletRouteDeps): Route[] {
  const { treasuryUser } = deps;
  const own = { roles: ["user"] } as const;
  const operators = { roles: ["operator"] } as const;
  const treasury = "/api/v1/admin/treasury/wallet";
  return [
    messageRoute(deps, {
      ...{ path: "/api/v1/wallets/message", auth: own, userOf: (sub) => sub },
      summary: "The message by which a wallet becomes the user's",
    }),
    linkRoute(deps, {
      ...{ path: "/api/v1/wallets", auth: own, userOf: (sub) => sub },
      summary: "Link a wallet, or change to another one",
    }),
    walletsRoute(deps, {
      ...{ path: "/api/v1/wallets", auth: own, userOf: (sub) => sub },
      summary: "The linked wallet and an announced change",
    }),
    cancelRoute(deps),
    messageRoute(deps, {
      ...{ path: `${treasury}/message`, auth: operators, userOf: () => treasuryUser },
      summary: "The message by which a wallet becomes the treasury's",
    }),
    linkRoute(deps, {
      ...{ path: treasury, auth: operators, userOf: () => treasuryUser },
      summary: "Link the treasury's wallet, or change to another one",
    }),
    walletsRoute(deps, {
      ...{ path: treasury, auth: operators, userOf: () => treasuryUser },
      summary: "The treasury's wallet and an announced change",
    }),
    ownershipRoute(deps),
  ];
}

interface Whose {
  readonly path: string;
  readonly auth: { readonly roles: readonly ["user"] | readonly ["operator"] };
  readonly summary: string;
  /** Whose wallet it is, by the token's subject. */
  userOf(sub: string): string;
}

function messageRoute(books: WalletBooks, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "post", path, summary, tags, auth: { roles: [...auth.roles] } },
    description:
      "EIP-712 typed data; it names the user by an opaque key. What is signed holds for ever, so check it first: by `opening` that the key is the user's, and the registry by what you know. See docs/wallets.md.",
    body: messageBody,
    response: messageOut,
    errors: ["not_found"],
    async handler({ body, principal }) {
      const wallets = walletsFor(books, body.asset);
      const { typed_data, digest, opening } = await wallets.message(
        userOf(principal.sub),
        lower(body.wallet),
      );
      const { EIP712Domain, LinkWallet } = typed_data.types;
      const types = { EIP712Domain: [...EIP712Domain], LinkWallet: [...LinkWallet] };
      const { salt, parts } = opening;
      return { typed_data: { ...typed_data, types }, digest, opening: { salt, parts: [...parts] } };
    },
  });
}

function linkRoute(books: WalletBooks, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "post", path, summary, tags, auth: { roles: [...auth.roles] } },
    description:
      "By the wallet's signature, EOA or EIP-1271. Where another wallet is linked, by both signatures at once; by the new one's alone the change is announced, and holds 14 days after an epoch on the chain has the announcement, unless the old wallet cancels it.",
    body: linkBody,
    response: linkOut,
    errors: LINK_ERRORS,
    async handler({ body, principal, idempotency }) {
      const { wallet, number, deadline, signature, previous_signature, asset } = body;
      const request = {
        ...{ userId: userOf(principal.sub), wallet: lower(wallet), number, deadline },
        signature: lower(signature),
        previousSignature: previous_signature === undefined ? null : lower(previous_signature),
      };
      return submitted(await walletsFor(books, asset).link(request, idempotency), asItIs);
    },
  });
}

function walletsRoute(books: WalletBooks, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "get", path, summary, tags, auth: { roles: [...auth.roles] } },
    query: z.strictObject(assetQuery),
    response: walletsOut,
    errors: ["not_found"],
    handler: async ({ principal, query }) =>
      walletsAnswer(await walletsFor(books, query.asset).walletsOf(userOf(principal.sub))),
  });
}

function walletsAnswer(answer: WalletsAnswer): z.input<typeof walletsOut> {
  return { ...answer, wallets: [...answer.wallets] };
}

function cancelRoute(books: WalletBooks): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/wallets/cancel",
    summary: "Cancel an announced change",
    description:
      "By the old wallet's signature of `CancelWallet`, without any token, or by the user's own token. `cancelWallet(key)` of the registry does it without this server.",
    tags,
    auth: { public: true },
    body: cancelBody,
    response: linkOut,
    errors: ["invalid_signature", "not_found", "unauthenticated", "unavailable"],
    async handler({ body, principal, idempotency }) {
      const { user, number, signature, asset } = body;
      const request = {
        user: lower(user),
        number,
        signature: signature === undefined ? null : lower(signature),
      };
      const caller = principal?.sub ?? null;
      return submitted(await walletsFor(books, asset).cancel(request, caller, idempotency), asItIs);
    },
  });
}

function ownershipRoute(deps: WalletRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/ownership",
    summary: "How much nobody could leave with on-chain",
    description:
      "For each section what it holds and how much of that has no linked wallet, as of the newest committed epoch. `payouts` is what was ever withdrawn.",
    tags,
    auth: { public: true },
    query: z.strictObject(assetQuery),
    response: ownershipOut,
    errors: ["not_found"],
    async handler({ query }) {
      const { epoch, sections } = await settlementOf(deps, query.asset).ownership();
      const other = query.asset === undefined ? undefined : deps.books?.get(query.asset);
      const asset = { code: query.asset ?? deps.asset.code, scale: other?.scale ?? deps.asset.scale };
      return {
        ...{ asset: asset.code, epoch },
        sections: sections.map(({ section, amount, unlinkedAmount, positions, unlinkedPositions }) => ({
          section,
          amount: formatAmount(amount, asset.scale),
          unlinked_amount: formatAmount(unlinkedAmount, asset.scale),
          positions,
          unlinked_positions: unlinkedPositions,
        })),
      };
    },
  });
}

function lower(hex: string): Hex {
  return hex.toLowerCase() as Hex;
}
