import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** What each account did on each day, added up behind the writer, so that a past balance does not cost its history. */
export class AccountDays1795000000600 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000600-account-days.sql", import.meta.url), "utf8"));
  }

  /** Forward only, as all of this schema. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
