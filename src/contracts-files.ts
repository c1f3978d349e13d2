/** Where a ledger keeps what is its own on this machine: its contracts' addresses, its published epochs. */
import { join } from "node:path";
import type { Config } from "#config";

type Folders = Pick<Config, "dataDir" | "contractsFile">;

/** `ledger` null is the default one. Absolute. */
export function contractsFileOf({ dataDir, contractsFile }: Folders, ledger: string | null): string {
  if (contractsFile === undefined)
    return ledger === null
      ? join(dataDir, "contracts.json")
      : join(dataDir, "ledgers", ledger, "contracts.json");
  return ledger === null ? contractsFile : `${contractsFile.replace(/\.json$/, "")}.${ledger}.json`;
}

export function publishedFolderOf({ dataDir }: Pick<Config, "dataDir">, ledger: string | null): string {
  return ledger === null ? join(dataDir, "published") : join(dataDir, "ledgers", ledger, "published");
}
