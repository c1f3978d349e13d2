/**
 * Starts what all tests share: one Postgres, one chain, one Redis where it is
 * installed. Tests get addresses through `inject`, and make databases of their
 * own with `createTestDatabase`. All of it lives in a temporary folder on free
 * ports and is gone afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type PostgresRole, startPostgres } from "#devstack";
import { silentLog } from "#infra";
import { prepareTemplate } from "./template-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: { urls: Record<PostgresRole, string>; template: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-test-"));
  const stops: (() => Promise<void>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
  const teardown = async () => {
    for (const stop of stops.toReversed()) await stop();
  };
  try {
    const log = silentLog();
    const postgres = await startPostgres({ folder: join(folder, "postgres"), log, durable: false });
    stops.push(() => postgres.stop());
    project.provide("postgres", {
      urls: {
        admin: postgres.url("admin", "postgres"),
        owner: postgres.url("owner", "postgres"),
        app: postgres.url("app", "postgres"),
      },
      template: await prepareTemplate(postgres),
    });
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}
