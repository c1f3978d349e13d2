import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Kinds of quota, allowances, usage, and the trigger that holds usage within them. */
export class Quota1795000000100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000100-quota.sql", import.meta.url), "utf8"));
  }

  /** Forward only: what was used is never given back. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
