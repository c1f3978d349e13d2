import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** TST, the access program's rules as data, and what users hold under them. */
export class Access1795000000200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000200-access.sql", import.meta.url), "utf8"));
  }

  /** Forward only: a journal that was begun is never taken back. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
