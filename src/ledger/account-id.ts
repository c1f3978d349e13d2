/**
 * Ids of the accounts that belong to an owner's role: derived, so that first use
 * creates them without a race, and keyed with the ledger's secret, because ids
 * are published in the journal and must not answer to a dictionary of user ids.
 */
import { createHmac, createSecretKey } from "node:crypto";
import { Remembered } from "#kernel";
import type { AccountSpec } from "./unit.ts";

export interface AccountIds {
  derive(spec: AccountSpec): string;
}

/** A user's own account is asked for with every request; a lock's is asked for twice with one. */
const MOST_REMEMBERED = 50_000;

/** @param secret 32 bytes, `ledger_identity.account_secret` */
export function accountIds(secret: Uint8Array): AccountIds {
  // Made once: from bytes Node makes it for every hash, which takes five times as long as the hash.
  const key = createSecretKey(secret);
  const remembered = new Remembered<string, string>(MOST_REMEMBERED);
  return {
    derive(spec) {
      const name = JSON.stringify([spec.asset, spec.role, spec.owner, spec.reference ?? null]);
      const known = remembered.get(name);
      if (known !== undefined) return known;
      const id = uuidOfHash(createHmac("sha256", key).update(name).digest());
      remembered.set(name, id);
      return id;
    },
  };
}

/** The first 16 bytes of a hash as a UUID of version 8 (RFC 9562: one whose bits are its maker's own). */
export function uuidOfHash(hash: Uint8Array): string {
  const bytes = Buffer.from(hash.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
