import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Assets, accounts, transfers, holds, positions, idempotency, and the rules that guard them. */
export class LedgerCore1795000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000000-ledger-core.sql", import.meta.url), "utf8"));
  }

  /** Forward only: a journal that was begun is never taken back. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
