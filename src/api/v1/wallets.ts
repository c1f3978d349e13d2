/**
 * Wallets over HTTP. The user is always the token's, the treasury always the
 * operator's to name a wallet for; neither route takes anybody else's name.
 */
import type { z } from "zod";
import { formatAmount } from "#kernel";
import type { Hex } from "#proof";
import type { Settlement } from "#settlement";
import type { Wallets, WalletsAnswer } from "#wallets";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  cancelBody,
  linkBody,
  linkOut,
  messageBody,
  messageOut,
  ownershipOut,
  walletsOut,
} from "./wallet-schemas.ts";

export interface WalletRouteDeps {
  readonly wallets: Wallets;
  /** The owner that stands for the treasury. */
  readonly treasuryUser: string;
  readonly settlement: Pick<Settlement, "ownership">;
  readonly asset: { readonly code: string; readonly scale: number };
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
  const { wallets, treasuryUser } = deps;
  const own = { roles: ["user"] } as const;
  const operators = { roles: ["operator"] } as const;
  const treasury = "/api/v1/admin/treasury/wallet";
  return [
    messageRoute(wallets, {
      ...{ path: "/api/v1/wallets/message", auth: own, userOf: (sub) => sub },
      summary: "The message by which a wallet becomes the user's",
    }),
    linkRoute(wallets, {
      ...{ path: "/api/v1/wallets", auth: own, userOf: (sub) => sub },
      summary: "Link a wallet, or change to another one",
    }),
    walletsRoute(wallets, {
      ...{ path: "/api/v1/wallets", auth: own, userOf: (sub) => sub },
      summary: "The linked wallet and an announced change",
    }),
    cancelRoute(wallets),
    messageRoute(wallets, {
      ...{ path: `${treasury}/message`, auth: operators, userOf: () => treasuryUser },
      summary: "The message by which a wallet becomes the treasury's",
    }),
    linkRoute(wallets, {
      ...{ path: treasury, auth: operators, userOf: () => treasuryUser },
      summary: "Link the treasury's wallet, or change to another one",
    }),
    walletsRoute(wallets, {
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

function messageRoute(wallets: Wallets, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "post", path, summary, tags, auth: { roles: [...auth.roles] } },
    description: "EIP-712 typed data; it names the user by an opaque key. See docs/wallets.md.",
    body: messageBody,
    response: messageOut,
    errors: ["not_found"],
    async handler({ body, principal }) {
      const { typed_data, digest } = await wallets.message(userOf(principal.sub), lower(body.wallet));
      const { EIP712Domain, LinkWallet } = typed_data.types;
      const types = { EIP712Domain: [...EIP712Domain], LinkWallet: [...LinkWallet] };
      return { typed_data: { ...typed_data, types }, digest };
    },
  });
}

function linkRoute(wallets: Wallets, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "post", path, summary, tags, auth: { roles: [...auth.roles] } },
    description:
      "By the wallet's signature, EOA or EIP-1271. Where another wallet is linked, by both signatures at once; by the new one's alone the change is announced, and holds 14 days after an epoch on the chain has the announcement, unless the old wallet cancels it.",
    body: linkBody,
    response: linkOut,
    errors: LINK_ERRORS,
    async handler({ body, principal, idempotency }) {
      const { wallet, number, deadline, signature, previous_signature } = body;
      const request = {
        ...{ userId: userOf(principal.sub), wallet: lower(wallet), number, deadline },
        signature: lower(signature),
        previousSignature: previous_signature === undefined ? null : lower(previous_signature),
      };
      return submitted(await wallets.link(request, idempotency), asItIs);
    },
  });
}

function walletsRoute(wallets: Wallets, { path, auth, summary, userOf }: Whose): Route {
  return defineRoute({
    ...{ method: "get", path, summary, tags, auth: { roles: [...auth.roles] } },
    response: walletsOut,
    handler: async ({ principal }) => walletsAnswer(await wallets.walletsOf(userOf(principal.sub))),
  });
}

function walletsAnswer(answer: WalletsAnswer): z.input<typeof walletsOut> {
  return { ...answer, wallets: [...answer.wallets] };
}

function cancelRoute(wallets: Wallets): Route {
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
      const { user, number, signature } = body;
      const request = {
        user: lower(user),
        number,
        signature: signature === undefined ? null : lower(signature),
      };
      return submitted(await wallets.cancel(request, principal?.sub ?? null, idempotency), asItIs);
    },
  });
}

function ownershipRoute({ settlement, asset }: WalletRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/ownership",
    summary: "How much nobody could leave with on-chain",
    description:
      "For each section what it holds and how much of that has no linked wallet, as of the newest committed epoch. `payouts` is what was ever withdrawn.",
    tags,
    auth: { public: true },
    response: ownershipOut,
    async handler() {
      const { epoch, sections } = await settlement.ownership();
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
