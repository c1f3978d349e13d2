/**
 * What `/readyz` asks. Only the database decides whether this server can serve;
 * without counters, chain or settlement it does so all the same, and says so.
 */
import type { Probe } from "#api";
import type { Services } from "./compose.ts";

/** A few settlement periods without a final epoch: somebody should look. */
const ALARMING_LAG_SECONDS = 3_600;

type Probed = Pick<Services, "database" | "redis" | "chain" | "settlement">;

export function createProbes({ database, redis, chain, settlement }: Probed): Probe[] {
  return [
    {
      name: "database",
      critical: true,
      async check() {
        await database.query("SELECT 1");
        return "answers";
      },
    },
    {
      name: "migrations",
      critical: true,
      async check() {
        const rows: { name: string }[] = await database.query("SELECT name FROM migration");
        const done = new Set(rows.map(({ name }) => name));
        const missing = database.migrations
          .map((migration) => migration.name ?? migration.constructor.name)
          .filter((name) => !done.has(name));
        if (missing.length > 0) throw new Error(`${missing.join(", ")} did not run`);
        return `${done.size} ran`;
      },
    },
    {
      name: "counters",
      critical: false,
      async check() {
        if (!redis) return "none: quotas are counted in Postgres alone";
        await redis.ping();
        return "Redis answers";
      },
    },
    {
      name: "chain",
      critical: false,
      check: async () => `block ${await chain.provider.getBlockNumber()}`,
    },
    {
      name: "settlement",
      critical: false,
      async check() {
        const { lagLines, lagSeconds, lastFinal } = await settlement.progress();
        if (lagLines > 0 && (lagSeconds ?? 0) > ALARMING_LAG_SECONDS)
          throw new Error(`${lagLines} journal lines wait, the last final epoch is ${lagSeconds} s old`);
        return `epoch ${lastFinal ?? 0} is final, ${lagLines} journal lines wait`;
      },
    },
  ];
}
