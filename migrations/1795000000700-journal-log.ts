import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** The journal's log: tiles, checkpoints, cosignatures. */
export class JournalLog1795000000700 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000700-journal-log.sql", import.meta.url), "utf8"));
  }

  /** Forward only: what was signed stays. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
