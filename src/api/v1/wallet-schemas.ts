/** Bodies and answers of the routes for wallets and withdrawals, as the API document shows them. */
import { z } from "zod";
import { amountIn, amountOut, hexOut, timeOut, userId, walletAddress } from "../schemas.ts";
import { addressOut, openingOut, sectionName } from "./settlement-schemas.ts";

const MAX_SIGNATURE_BYTES = 2_048;
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

const signature = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})+$/, { error: "must be 0x-hex of whole bytes" })
  .max(2 + 2 * MAX_SIGNATURE_BYTES, { error: `must have at most ${MAX_SIGNATURE_BYTES} bytes` })
  .transform((text) => text.toLowerCase())
  .meta({
    id: "WalletSignature",
    pattern: "^0x([0-9a-fA-F]{2})+$",
    maxLength: 2 + 2 * MAX_SIGNATURE_BYTES,
    description:
      "By a key: 65 bytes r, s, v with a low s and v 27 or 28. By a contract: what its EIP-1271 function takes.",
  });

const number = z.int().min(1).max(MAX_NUMBER);
const asset = z
  .string()
  .regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be 1 to 16 capital letters and digits, a letter first" });
const userKey = hexOut.meta({ description: "The key of the user's position in `balances`: names nobody." });

const bookAsset = asset.optional().meta({ description: "For whose book; default: TST's." });

export const messageBody = z.strictObject({ wallet: walletAddress, asset: bookAsset });

const typed = z.array(z.strictObject({ name: z.string(), type: z.string() }));

export const messageOut = z
  .strictObject({
    typed_data: z
      .strictObject({
        domain: z.strictObject({
          name: z.string(),
          version: z.string(),
          chainId: z.string(),
          verifyingContract: addressOut,
        }),
        types: z.strictObject({ EIP712Domain: typed, LinkWallet: typed }),
        primaryType: z.literal("LinkWallet"),
        message: z.strictObject({
          user: hexOut,
          wallet: addressOut,
          previous: addressOut,
          number: z.string(),
          deadline: z.string(),
        }),
      })
      .meta({ description: "For `eth_signTypedData_v4`, as it is." }),
    digest: hexOut.meta({
      description: "What is signed in the end; a contract wallet may be asked about it.",
    }),
    opening: openingOut.meta({
      description:
        "What `user` is made of, as in a proof: keccak256(salt ‖ part ‖ 0x00), where the one part is the user's id.",
    }),
  })
  .meta({ id: "WalletMessage" });

export const linkBody = z.strictObject({
  wallet: walletAddress,
  number: number.meta({ description: "As in the message." }),
  deadline: z.int().min(0).max(MAX_NUMBER).meta({ description: "As in the message: Unix seconds." }),
  signature: signature.meta({ description: "The wallet's." }),
  previous_signature: signature
    .optional()
    .meta({ description: "The linked wallet's over the same message: then the change holds at once." }),
  asset: bookAsset,
});

export const cancelBody = z.strictObject({
  user: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, { error: "must be 0x and 64 lower-case hex digits" })
    .meta({ description: "The user key." }),
  number: number.meta({ description: "Of the announced change." }),
  signature: signature.optional().meta({
    description: "The linked wallet's over `CancelWallet`. Left out: the user's own token is enough.",
  }),
  asset: bookAsset,
});

const announced = z.strictObject({ wallet: addressOut, number: z.int(), announced_at: timeOut });

export const linkOut = z
  .strictObject({
    status: z.enum(["linked", "announced", "cancelled"]),
    asset: z.string(),
    user: userKey,
    wallet: addressOut.meta({ description: "The wallet that is linked now." }),
    number: z.int(),
    announced: announced.nullable(),
  })
  .meta({ id: "WalletLink" });

export const walletsOut = z
  .strictObject({
    asset: z.string(),
    user: userKey.nullable(),
    wallet: addressOut.nullable(),
    number: z.int().meta({ description: "The last one that was signed; the next message has one more." }),
    linked_at: timeOut.nullable(),
    carried: z.boolean().meta({ description: "Whether all positions have the wallet." }),
    announced: announced
      .extend({
        due_at: timeOut
          .nullable()
          .meta({ description: "Null until an epoch on the chain holds the announcement." }),
      })
      .nullable(),
    wallets: z
      .array(
        z.strictObject({
          wallet: addressOut,
          status: z.enum(["linked", "announced", "replaced", "cancelled"]),
          bound_at: timeOut,
        }),
      )
      .meta({ description: "All wallets that ever signed for the user, the newest 100." }),
  })
  .meta({ id: "Wallets" });

export const withdrawBody = z.strictObject({
  amount: amountIn,
  asset: asset.optional().meta({ description: "Default: TST." }),
  wallet: walletAddress.optional().meta({ description: "Where given, the linked wallet." }),
  user_id: userId.optional().meta({ description: "Where given, the token's user." }),
});

export const withdrawalId = z
  .string()
  .regex(/^wd_[0-9a-f]{32}$/, { error: "must be the id of a withdrawal" });

export const withdrawalOut = z
  .strictObject({
    withdrawal_id: withdrawalId,
    status: z.enum(["pending", "committed", "final", "claimed"]),
    user_id: userId,
    asset: z.string(),
    amount: amountOut,
    total_withdrawn: amountOut.meta({
      description: "All that was ever paid out to the user, with this: it is claimed when so much is.",
    }),
    wallet: addressOut.meta({ description: "The one linked when it was made." }),
    epoch: z.int().nullable().meta({ description: "The first that holds it." }),
    tx_hash: hexOut.nullable().meta({ description: "Its commit." }),
    created_at: timeOut,
  })
  .meta({ id: "Withdrawal" });

export const claimableOut = withdrawalOut
  .extend({
    claim: z
      .strictObject({
        chain_id: z.int(),
        vault: addressOut,
        epoch: z.int(),
        wallet: addressOut.meta({ description: "Who is paid." }),
        claimable: amountOut.meta({ description: "What a claim pays: all that is final and not claimed." }),
        claim: hexOut.meta({
          description:
            "Calldata for the vault, `claim(epoch, leaf, siblings)`: anyone may send it while the epoch's payouts are the newest final ones, and the wallet until 1,024 more epochs are final.",
        }),
        proof: z.string(),
      })
      .nullable()
      .meta({ description: "While it is `final`." }),
  })
  .meta({ id: "ClaimableWithdrawal" });

export const ownershipOut = z
  .strictObject({
    asset: z.string(),
    epoch: z.int().nullable(),
    sections: z.array(
      z.strictObject({
        section: sectionName,
        amount: amountOut,
        unlinked_amount: amountOut.meta({ description: "Of positions without a linked wallet." }),
        positions: z.int(),
        unlinked_positions: z.int(),
      }),
    ),
  })
  .meta({ id: "Ownership" });
