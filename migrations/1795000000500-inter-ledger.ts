import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Transfers between ledgers: what left this one, and how it decided on what came. */
export class InterLedger1795000000500 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000500-inter-ledger.sql", import.meta.url), "utf8"));
  }

  /** Forward only, as all of this schema. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
