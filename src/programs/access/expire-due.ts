/**
 * Ends what is due: locks, stakes, reservations, in the order in which they fell
 * due, a page at a time. Several processes may run it at once; each holding ends
 * once, because every unit asks again whether it is still active. One that cannot
 * end is logged and passed over, and tried again by the next run.
 */
import type { Log } from "#infra";
import type { Ledger } from "#ledger";
import type { Quota } from "#quota";
import type { AccessReads, DueCursor } from "./reads.ts";
import type { UnitContext } from "./units/context.ts";
import { type DueHolding, expireUnit } from "./units/expire.ts";

/** Few enough that requests find room between pages, many enough to fill a batch. */
const PAGE = 500;

export interface Expired {
  readonly ended: number;
  readonly failed: number;
}

interface ExpireDeps {
  readonly ledger: Pick<Ledger, "submit">;
  readonly quota: Pick<Quota, "submit">;
  readonly reads: Pick<AccessReads, "due">;
  readonly context: UnitContext;
  readonly log: Log;
}

/** @throws what the query for due holdings throws where the database is away */
export async function expireDue(deps: ExpireDeps): Promise<Expired> {
  let ended = 0;
  let failed = 0;
  let after: DueCursor | null = null;
  for (;;) {
    const page = await deps.reads.due(after, PAGE);
    const results = await Promise.allSettled(page.map((due) => endOne(deps, due)));
    for (const [place, result] of results.entries()) {
      if (result.status === "fulfilled") ended += result.value ? 1 : 0;
      else {
        failed += 1;
        deps.log.error(
          { err: result.reason, holding: page[place] },
          "a holding that is due could not be ended",
        );
      }
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE) return { ended, failed };
    after = last;
  }
}

async function endOne(deps: ExpireDeps, due: DueHolding): Promise<boolean> {
  const unit = expireUnit(deps.context, due);
  // A lock has no part in any quota; the others lower one, and the counters should know.
  const submitted = due.kind === "lock" ? deps.ledger.submit(unit) : deps.quota.submit(due.userId, unit);
  return (await submitted).value;
}
