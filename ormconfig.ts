/**
 * The TypeORM DataSource: entities for ordinary reads, migrations for the schema.
 * A ledger is a Postgres schema; the connection's search_path names it, no statement does.
 */
import { DataSource } from "typeorm";
import { PreparingClient, postgresTypes } from "#infra";
import { ledgerEntities } from "#ledger";
import { accessEntities } from "#programs/access";
import { quotaEntities } from "#quota";
import { LedgerCore1795000000000 } from "./migrations/1795000000000-ledger-core.ts";
import { Quota1795000000100 } from "./migrations/1795000000100-quota.ts";
import { Access1795000000200 } from "./migrations/1795000000200-access.ts";
import { Settlement1795000000300 } from "./migrations/1795000000300-settlement.ts";
import { Events1795000000400 } from "./migrations/1795000000400-events.ts";
import { InterLedger1795000000500 } from "./migrations/1795000000500-inter-ledger.ts";
import { AccountDays1795000000600 } from "./migrations/1795000000600-account-days.ts";
import { JournalLog1795000000700 } from "./migrations/1795000000700-journal-log.ts";
import { ChainWatcher1795000000900 } from "./migrations/1795000000900-chain-watcher.ts";
import { Wallets1795000001000 } from "./migrations/1795000001000-wallets.ts";

export interface DataSourceOptions {
  readonly url: string;
  /** The ledger's schema: letters, digits, underscores. */
  readonly schema: string;
  readonly poolSize?: number;
}

export const migrations = [
  LedgerCore1795000000000,
  Quota1795000000100,
  Access1795000000200,
  Settlement1795000000300,
  Events1795000000400,
  InterLedger1795000000500,
  AccountDays1795000000600,
  JournalLog1795000000700,
  ChainWatcher1795000000900,
  Wallets1795000001000,
];
export const entities = [...ledgerEntities, ...accessEntities, ...quotaEntities];

export function createDataSource(options: DataSourceOptions): DataSource {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(options.schema)) {
    throw new Error(
      `"${options.schema}" cannot be a ledger's name: use lower-case letters, digits and underscores`,
    );
  }
  return new DataSource({
    type: "postgres",
    url: options.url,
    schema: options.schema,
    entities,
    migrations,
    migrationsTableName: "migration",
    poolSize: options.poolSize ?? 10,
    extra: {
      types: postgresTypes,
      Client: PreparingClient,
      options: `-c search_path=${options.schema},pg_temp -c jit=off`,
    },
  });
}
