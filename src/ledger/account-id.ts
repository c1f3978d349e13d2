/**
 * Ids of the accounts that belong to an owner's role: derived, so that first use
 * creates them without a race, and keyed with the ledger's secret, because ids
 * are published in the journal and must not answer to a dictionary of user ids.
 */
import { createHmac } from "node:crypto";
import type { AccountSpec } from "./unit.ts";

export interface AccountIds {
  derive(spec: AccountSpec): string;
}

/** @param secret 32 bytes, `ledger_identity.account_secret` */
export function accountIds(secret: Uint8Array): AccountIds {
  return {
    derive(spec) {
      const name = JSON.stringify([spec.asset, spec.role, spec.owner, spec.reference ?? null]);
      const hash = createHmac("sha256", secret).update(name).digest();
      // RFC 9562 version 8: a UUID whose bits are its maker's own.
      hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
      hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
      const hex = hash.toString("hex");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
    },
  };
}
