/**
 * Starts what all tests share: one Postgres, one chain, one Redis where it is
 * installed (and looks for a browser, which each file starts itself). Tests get addresses through `inject`, and make databases of their
 * own with `createTestDatabase`. All of it lives in a temporary folder on free
 * ports and is gone afterwards, also when the run is killed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { findRedis, type PostgresRole, startAnvil, startPostgres, startRedis } from "#devstack";
import { createLog } from "#infra";
import { findChromium } from "./find-chromium.ts";
import { prepareTemplate } from "./template-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** On the database `postgres`; see `createTestDatabase`. */
    postgres: { urls: Record<PostgresRole, string>; template: string };
    /** `null` where no redis-server is installed; see `describeWithRedis`. */
    redisUrl: string | null;
    /** Path of a browser; `null` where none is installed; see `describeWithChromium`. */
    chromium: string | null;
    /** One chain for all files: a test that needs it for itself starts one (`startAnvil`). */
    chain: { rpcUrl: string; privateKeys: readonly string[] };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-test-"));
  const stops: (() => Promise<void>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
  const teardown = async () => {
    for (const stop of stops.toReversed()) await stop();
  };
  try {
    const log = createLog("warn");
    const postgres = await startPostgres({ folder: join(folder, "postgres"), log, durable: false });
    stops.push(() => postgres.stop());
    const redis = findRedis() ? await startRedis({ logFile: join(folder, "redis.log") }) : undefined;
    if (redis) stops.push(() => redis.stop());
    const chromium = findChromium(process.env.PATH);
    const chain = await startAnvil({ folder: join(folder, "chain"), log, persistent: false });
    stops.push(() => chain.stop());
    project.provide("postgres", {
      urls: {
        admin: postgres.url("admin", "postgres"),
        owner: postgres.url("owner", "postgres"),
        app: postgres.url("app", "postgres"),
      },
      template: await prepareTemplate(postgres),
    });
    project.provide("redisUrl", redis?.url ?? null);
    project.provide("chromium", chromium);
    project.provide("chain", { rpcUrl: chain.rpcUrl, privateKeys: [...chain.privateKeys] });
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}
