import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** The chain watcher: events seen, entries credited, demands. */
export class ChainWatcher1795000000900 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000900-chain-watcher.sql", import.meta.url), "utf8"));
  }

  /** Forward only: what was credited stays. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
