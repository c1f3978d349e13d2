import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Whose wallets are, which one a user has linked, and what was withdrawn to them. */
export class Wallets1795000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000001000-wallets.sql", import.meta.url), "utf8"));
  }

  /** Forward only, as all of this schema. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
