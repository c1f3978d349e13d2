import { readFileSync } from "node:fs";
import type { MigrationInterface, QueryRunner } from "typeorm";

/** Webhooks: endpoints, how far each was delivered to, and what could not be delivered. */
export class Events1795000000400 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(readFileSync(new URL("./1795000000400-events.sql", import.meta.url), "utf8"));
  }

  /** Forward only, as all of this schema. */
  async down(): Promise<void> {
    throw new Error("Migrations go forward only; restore a backup instead.");
  }
}
