/** Shapes of settlement answers: epochs, contracts, proof documents. */
import { getAddress } from "ethers";
import { z } from "zod";
import { hexOut, timeOut } from "../schemas.ts";

const integerText = z
  .string()
  .regex(/^(0|[1-9]\d*)$/)
  .meta({ id: "IntegerText", description: "A whole number as decimal text.", examples: ["42"] });

export const addressOut = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .refine((text) => text === getAddress(text))
  .meta({ id: "Address", description: "An EVM address with its EIP-55 checksum." });

export const sectionName = z
  .enum(["balances", "locks", "stakes", "compute", "payouts"])
  .meta({ id: "Section", description: "One of the five trees of an epoch." });

const headerOut = z
  .strictObject({
    version: integerText,
    chain_id: integerText,
    registry: addressOut,
    epoch: integerText,
    previous: hexOut,
    sections: z
      .array(z.strictObject({ root: hexOut, sum: integerText, count: integerText }))
      .length(5)
      .meta({ description: "balances, locks, stakes, compute, payouts" }),
    journal_root: hexOut,
    journal_size: integerText,
    deposit_seq: integerText,
    data_hash: hexOut,
    closed_at: integerText,
  })
  .meta({ id: "EpochHeader", description: "What the chain holds of an epoch; integers as decimal text." });

export const epochOut = z
  .strictObject({
    epoch: z.int(),
    status: z.enum(["built", "sent", "committed", "final", "vetoed", "cancelled"]),
    header: headerOut,
    header_hash: hexOut,
    tx_hash: hexOut.nullable().meta({ description: "The commit; null until it is mined." }),
    gas_used: z.int().nullable(),
    block_number: z.int().nullable(),
    committed_at: timeOut.nullable().meta({ description: "Time of the commit's block." }),
    window_until: timeOut.nullable().meta({
      description:
        "When its challenge window is over, by the clock of the chain's blocks: no finalize before. Null until it is committed.",
    }),
    is_window_open: z.boolean().nullable().meta({
      description:
        "Whether that was so when a server of this ledger last looked at the chain. Null until the epoch is committed.",
    }),
    finalize_tx_hash: hexOut.nullable(),
    finalize_gas_used: z.int().nullable(),
    finalize_block_number: z.int().nullable(),
    final_at_block: z.int().nullable().meta({
      description: "The block with which its finalize is deep enough for `final`; null until it is mined.",
    }),
    blocks_to_final: z.int().nullable().meta({
      description:
        "How many that are from the newest block which the server saw. Null until the finalize is mined, and where nobody follows the chain.",
    }),
    attestations: z
      .strictObject({
        given: z.int().meta({ description: "How many of the registry's attesters signed this epoch." }),
        needed: z.int().nullable().meta({ description: "How many must, before it can become final." }),
        attesters: z.int().nullable().meta({ description: "How many there are." }),
      })
      .meta({ description: "Null where the registry was not asked yet." }),
    journal_size: z.int().meta({ description: "Journal lines that this and all earlier epochs hold." }),
    leaves_changed: z.int(),
    closed_at: timeOut,
  })
  .meta({ id: "Epoch" });

export const attestationOut = z
  .strictObject({
    attester: addressOut,
    signature: z.string().regex(/^0x[0-9a-f]{130}$/),
    received_at: timeOut,
  })
  .meta({ id: "Attestation", description: "An attester's EIP-712 signature over an epoch's header." });

export const attestationIn = z.strictObject({
  signature: z
    .string()
    .regex(/^0x[0-9a-f]{130}$/, { error: "must be 65 bytes as 0x-hex in lower case" })
    .meta({
      description:
        "EIP-712 `Attest(bytes32 headerHash)` in the domain Anchorbook, version 1, chain id, registry: r, s, v; the lower s, v 1b or 1c.",
    }),
});

export const attestationsOut = z.strictObject({
  epoch: z.int(),
  header_hash: hexOut,
  given: z.int(),
  needed: z.int().nullable(),
  attesters: z.int().nullable(),
  data: z.array(attestationOut).meta({ description: "By attester, also of some who are none any more." }),
});

export const releaseOut = z.strictObject({
  epoch: z
    .int()
    .nullable()
    .meta({ description: "The number that is built again; null: nothing was vetoed." }),
  released: z.int().meta({ description: "How many epochs were given up." }),
});

export const runOut = z.strictObject({
  epoch: z.int().nullable().meta({ description: "Null where nothing was ever written." }),
  status: z
    .enum(["built", "sent", "committed", "final", "unchanged"])
    .meta({ description: "`built` or `sent`: another instance closed one more meanwhile." }),
  header_hash: hexOut.nullable(),
  tx_hash: hexOut.nullable(),
});

export const contractsOut = z.strictObject({
  chain_id: z.int(),
  rpc_url: z.string().nullable().meta({ description: "Where it may be public; on the local chain it is." }),
  token: addressOut,
  registry: addressOut,
  custodians: z.strictObject({
    balances: addressOut,
    locks: addressOut,
    stakes: addressOut,
    compute: addressOut,
    payouts: addressOut,
  }),
  deployed_block: z.int().meta({ description: "No event of these contracts is in an older block." }),
  challenge_window_seconds: z
    .int()
    .meta({ description: "How long after its commit's block an epoch can be challenged and vetoed." }),
});

export const openingOut = z.strictObject({ salt: hexOut, parts: z.array(z.string()) });

export const proofOut = z
  .strictObject({
    format: z.literal("anchorbook-proof/1"),
    chain_id: integerText,
    registry: addressOut,
    section: sectionName,
    custodian: addressOut,
    asset: addressOut.meta({ description: "The token." }),
    epoch: integerText,
    header: headerOut,
    header_hash: hexOut,
    leaf: z.strictObject({
      index: integerText,
      owner: hexOut,
      key: hexOut,
      amount: integerText.meta({ description: "Base units." }),
      valid_until: integerText,
      kind: integerText,
      quantity: integerText,
    }),
    siblings: z
      .array(z.strictObject({ hash: hexOut, sum: integerText }))
      .meta({ description: "Leaf level first." }),
    tx_hash: hexOut.nullable(),
    opening: openingOut
      .optional()
      .meta({ description: "What the key hides; for the owner and auditors alone." }),
  })
  .meta({ id: "ProofDocument", description: "Needs neither server nor database to be checked." });
