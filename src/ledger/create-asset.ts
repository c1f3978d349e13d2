/**
 * Makes an asset with its whole policy, once. The database function derives the
 * routes, so that no caller can grant an asset more than its policy says.
 */
import type { DataSource } from "typeorm";
import { constraintName } from "#infra";
import type { Amount } from "#kernel";
import { statement } from "./sql-text.ts";

const SQL = {
  create: statement("create-asset"),
  load: statement("load-assets"),
} as const;

export interface AssetPolicy {
  /** One to sixteen capital letters and digits, a letter first. */
  readonly code: string;
  readonly scale: number;
  readonly transferable: boolean;
  readonly mintable: boolean;
  readonly supplyCap: Amount | null;
}

/** `exists` for the same asset again; `exists_with_different_policy` changes nothing. */
export async function createAsset(
  database: DataSource,
  policy: AssetPolicy,
): Promise<"ok" | "exists" | "exists_with_different_policy"> {
  const { code, scale, transferable, mintable, supplyCap } = policy;
  try {
    const made: unknown[] = await database.query(SQL.create.text, [
      code,
      scale,
      transferable,
      mintable,
      supplyCap,
    ]);
    if (made.length > 0) return "ok";
  } catch (error) {
    // Another request made it between our look and our insert.
    if (constraintName(error) !== "asset_pkey") throw error;
  }
  const [known]: { scale: number; transferable: boolean; mintable: boolean; supply_cap: Amount | null }[] =
    await database.query(SQL.load.text, [[code]]);
  const same =
    known?.scale === scale &&
    known.transferable === transferable &&
    known.mintable === mintable &&
    known.supply_cap === supplyCap;
  return same ? "exists" : "exists_with_different_policy";
}
