/**
 * An asset as the ledger API makes it: its policy once, and its system accounts
 * with it, so that whoever asks again gets the same ids. An idempotency key that
 * belongs to another request is found out before anything is made.
 */
import type { DataSource } from "typeorm";
import { DomainError, formatAmount } from "#kernel";
import { type AssetPolicy, createAsset } from "./create-asset.ts";
import type { Ledger } from "./ledger.ts";
import type { AccountRole, Asset } from "./model.ts";
import type { Idempotency, Submitted, Unit, View } from "./unit.ts";

const SYSTEM_ROLES = [
  "treasury",
  "issuance",
  "custody",
  "revenue",
  "burned",
] as const satisfies AccountRole[];

export type OpenedAsset = {
  readonly code: string;
  readonly scale: number;
  readonly transferable: boolean;
  readonly mintable: boolean;
  /** Whole units. */
  readonly supply_cap: string | null;
  /** Id of each system account that the policy has a use for, by role. */
  readonly accounts: { readonly [role: string]: string };
};

class AssetMissing extends Error {}

/** @throws DomainError `invalid_request` where the code stands for an asset with another policy */
export async function openAsset(
  ledger: Ledger,
  database: DataSource,
  policy: AssetPolicy,
  idempotency?: Idempotency,
): Promise<Submitted<OpenedAsset>> {
  const unit: Unit<OpenedAsset> = {
    name: "open-asset",
    idempotency,
    reads: { assets: [policy.code] },
    decide: (view) => openSystemAccounts(view, policy),
  };
  try {
    return await ledger.submit(unit);
  } catch (error) {
    if (!(error instanceof AssetMissing)) throw error;
  }
  await createAsset(database, policy);
  return ledger.submit(unit);
}

function openSystemAccounts(view: View, policy: AssetPolicy): OpenedAsset {
  const asset = view.asset(policy.code);
  if (!asset) throw new AssetMissing();
  if (!isSame(asset, policy))
    throw new DomainError("invalid_request", `There is an asset ${asset.code} with another policy already`, {
      details: { member: "code" },
    });
  const { code, scale, transferable, mintable, supplyCap } = asset;
  const used = new Set([...asset.routes.keys()].flatMap((route) => route.split(">")));
  const accounts = SYSTEM_ROLES.filter((role) => used.has(role)).map((role) => [
    role,
    view.openAccount({ asset: code, role, owner: null }),
  ]);
  return {
    code,
    scale,
    transferable,
    mintable,
    supply_cap: supplyCap === null ? null : formatAmount(supplyCap, scale),
    accounts: Object.fromEntries(accounts),
  };
}

function isSame(asset: Asset, policy: AssetPolicy): boolean {
  return (
    asset.scale === policy.scale &&
    asset.transferable === policy.transferable &&
    asset.mintable === policy.mintable &&
    asset.supplyCap === policy.supplyCap
  );
}
