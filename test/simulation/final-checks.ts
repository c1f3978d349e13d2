/** What must hold at the end of every seed, whatever happened before. */
import { ACCESS_RULES } from "../programs/access/coherence-rules.ts";
import { LEDGER_RULES } from "../support/coherence-rules.ts";
import type { Books } from "./books.ts";
import type { Coverage } from "./coverage.ts";
import { Disagreement, show } from "./judge.ts";
import type { Model } from "./model/model.ts";
import type { Server } from "./server.ts";

const RULES: Readonly<Record<string, string>> = {
  ...LEDGER_RULES,
  ...ACCESS_RULES,
  "usage that is not the sum of what was consumed, committed and held": `
    SELECT user_id, entity_type, day FROM usage
    FULL JOIN (
      SELECT user_id, entity_type, day, sum(used) AS used_here, sum(held) AS held_here FROM (
        SELECT user_id, entity_type, created_at / 86400 AS day, 1 AS used, 0 AS held FROM access_consumed_unit
        UNION ALL
        SELECT user_id, entity_type, day, coalesce(committed, 0), CASE WHEN status = 'open' THEN units ELSE 0 END
        FROM quota_hold
      ) AS one GROUP BY 1, 2, 3
    ) AS taken USING (user_id, entity_type, day)
    WHERE (used, held) IS DISTINCT FROM (coalesce(used_here, 0), coalesce(held_here, 0))`,
};

/** @returns lines in the journal. @throws Disagreement */
export async function finalChecks(
  books: Books,
  { ledger }: Model,
  servers: readonly Server[],
  coverage: Coverage,
): Promise<number> {
  const broken: string[] = [];
  for (const [rule, sql] of Object.entries(RULES)) {
    const rows = await books.rows(sql);
    if (rows.length > 0) broken.push(`${rule}: ${show(rows.slice(0, 3))}`);
  }
  const written = await books.rows(
    "SELECT id FROM transfer WHERE phase <> 'expire' AND asset <> 'TST' AND code <> 'grant'",
  );
  const unknown = written.filter(({ id }) => !ledger.requests.has(id as string));
  if (unknown.length > 0 || written.length !== ledger.requests.size)
    broken.push(`${written.length} transfers are written, ${ledger.requests.size} were answered ok`);
  if (broken.length > 0) throw new Disagreement(broken.join("; "));
  for (const server of servers) {
    const drift = await server.drift();
    if (!drift) continue;
    if (drift.differing > 0)
      throw new Disagreement(`${drift.differing} counters of ${server.name} stay away from the truth`);
    coverage.compared(drift.compared);
  }
  return (await books.rows("SELECT next_seq FROM journal_head"))[0]?.next_seq as number;
}
