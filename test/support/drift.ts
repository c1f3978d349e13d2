/**
 * The counters in Redis against the truth, asked of both themselves: what a
 * server's own drift metric should say, by another way. To be asked when nothing
 * is under way any more.
 */
import { expect, inject } from "vitest";
import { createRedis, silentLog } from "#infra";
import type { TestDatabase } from "./database.ts";
import { connect } from "./ledger.ts";

const TRUTH = `
  SELECT coalesce(a.quota_per_day, k.default_per_day) AS "limit", coalesce(u.used, 0) AS used,
    coalesce(a.version, 0) + coalesce(u.version, 0) AS version, clock.now / 86400 AS day, u.held AS stored_held,
    coalesce((SELECT sum(h.units) FROM quota_hold h WHERE h.user_id = $1 AND h.entity_type = k.id
      AND h.day = clock.now / 86400 AND h.status = 'open' AND h.expires_at > clock.now), 0)::int8 AS held
  FROM (SELECT ledger_now() AS now) AS clock
  JOIN quota_kind k ON k.id = $2
  LEFT JOIN allowance a ON a.user_id = $1 AND a.entity_type = k.id
  LEFT JOIN usage u ON u.user_id = $1 AND u.entity_type = k.id AND u.day = clock.now / 86400`;

interface Truth {
  readonly limit: number;
  readonly used: number;
  readonly held: number;
  readonly version: number;
  readonly day: number;
  readonly stored_held: number | null;
}

/** Fails with each counter of this ledger that differs. Where tests have no Redis there is nothing to differ. */
export async function expectNoDrift(database: TestDatabase, url = inject("redisUrl")): Promise<void> {
  if (url === null) return;
  const redis = createRedis(url, silentLog(), { commandTimeoutMs: 20_000 });
  const owner = await connect(database.ownerUrl, database);
  try {
    while (redis.status !== "ready") await new Promise((ready) => redis.once("ready", ready));
    const { rows } = await owner.query<{ id: string }>("SELECT id FROM ledger_identity");
    const drifting: string[] = [];
    for (const key of await redis.keys(`quota:${rows[0]?.id}:*`)) {
      const [, user = "", entityType = ""] = /\{(.*)\}:(\d+)$/.exec(key) ?? [];
      const counter = await redis.hgetall(key);
      const { rows: found } = await owner.query<Truth>(TRUTH, [decodeURIComponent(user), entityType]);
      const fault = found[0] ? faultOf(counter, found[0]) : "is of a quota that does not exist";
      if (fault)
        drifting.push(`${key} ${fault}: ${JSON.stringify(counter)} against ${JSON.stringify(found[0])}`);
    }
    expect(drifting).toEqual([]);
  } finally {
    redis.disconnect();
    await owner.end();
  }
}

function faultOf(counter: Readonly<Record<string, string>>, truth: Truth): string | null {
  const [day, version, used, held, limit, left] = ["day", "version", "used", "held", "limit", "left"].map(
    (name) => Number.parseInt(counter[name] ?? "", 10),
  ) as [number, number, number, number, number, number];
  // Gone by the time that somebody looked, or of a day that nobody asks for.
  if (Object.keys(counter).length === 0 || day < truth.day) return null;
  if (left !== limit - used - held) return "does not add up";
  if (version > truth.version) return "has a version that the truth does not know";
  if (version < truth.version)
    return left <= 0 && truth.limit - truth.used - truth.held > 0 ? "denies what the truth admits" : null;
  if (used !== truth.used || limit !== truth.limit) return "is not what its version is";
  return held >= truth.held && held <= (truth.stored_held ?? 0) ? null : "holds what its version does not";
}
