/** Which account carries what: the one place that names owners, roles and references of this program. */
import type { AccountSpec } from "#ledger";
import { TST } from "./model.ts";

export function availableAccount(userId: string, asset: string = TST.code): AccountSpec {
  return { asset, role: "available", owner: userId };
}

export function lockedAccount(userId: string, agreementId: string): AccountSpec {
  return { asset: TST.code, role: "locked", owner: userId, reference: agreementId };
}

export function stakedAccount(userId: string, strategyId: string): AccountSpec {
  return { asset: TST.code, role: "staked", owner: userId, reference: strategyId };
}

/** The type is a number, so the slash ends it whatever the entity's id holds. */
export function reservedAccount(userId: string, entityType: number, entityId: string): AccountSpec {
  return { asset: TST.code, role: "reserved", owner: userId, reference: `${entityType}/${entityId}` };
}

export function treasuryAccount(asset: string): AccountSpec {
  return { asset, role: "treasury", owner: null };
}

/** What a user has available, or what the treasury holds where that is the user. */
export function balanceAccount(userId: string, asset: string): AccountSpec {
  return userId === TREASURY_USER ? treasuryAccount(asset) : availableAccount(userId, asset);
}

export function custodyAccount(asset: string): AccountSpec {
  return { asset, role: "custody", owner: null };
}

/** The ledger's own user, who holds the treasury's position. */
export const TREASURY_USER = "@treasury";
