import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Books, epochs, leaf versions, the outbox and every transaction signed for it. */
export class Settlement1795000000300 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000300-settlement.sql", import.meta.url), "utf8"));
  }

  /** Forward only: epochs that were anchored are never taken back. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
