/**
 * Pages of events in their order. Their numbers are taken under the journal's
 * head lock and so in the order of the commits: whoever has read up to a number
 * has missed none below it.
 */
import type { Pool } from "pg";
import type { EventRecord } from "./model.ts";
import { rows, SQL } from "./sql.ts";
import type { TypeFilter } from "./type-filter.ts";

export interface EventPage {
  readonly events: readonly EventRecord[];
  /** Nothing that is wanted lies between here and the last event of the page. */
  readonly readTo: number;
  /** True where there may be more right now. */
  readonly more: boolean;
}

export interface PageRequest {
  /** Events behind this number. */
  readonly after: number;
  readonly limit: number;
  /** Whose events; null reads everyone's and the ledger's own. */
  readonly subject: string | null;
}

/** How far one call looks for events of rare types before it answers what it has. */
const MAX_PAGES = 20;
const ROWS_A_PAGE = 500;

export async function newestSeq(pool: Pool): Promise<number> {
  return (await rows<{ seq: number }>(pool, SQL.newest))[0]?.seq ?? 0;
}

export async function readPage(pool: Pool, { after, limit, subject }: PageRequest): Promise<EventPage> {
  // Asked first: what is written between the two statements is then in the page or behind `readTo`, never lost.
  const newest = subject === null ? 0 : await newestSeq(pool);
  const events =
    subject === null
      ? await rows<EventRecord>(pool, SQL.page, [after, limit])
      : await rows<EventRecord>(pool, SQL.pageOfSubject, [after, limit, subject]);
  const last = events.at(-1)?.seq ?? after;
  const more = events.length === limit;
  return { events, readTo: more ? last : Math.max(last, newest), more };
}

/** A page of those that pass the filter; `events` may be empty where `more` is true. */
export async function readFiltered(
  pool: Pool,
  request: PageRequest & { readonly wanted: TypeFilter },
): Promise<EventPage> {
  const found: EventRecord[] = [];
  let after = request.after;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await readPage(pool, { after, limit: ROWS_A_PAGE, subject: request.subject });
    for (const event of page.events) {
      if (!request.wanted(event.type)) continue;
      found.push(event);
      if (found.length === request.limit) return { events: found, readTo: event.seq, more: true };
    }
    after = page.readTo;
    if (!page.more) return { events: found, readTo: after, more: false };
  }
  return { events: found, readTo: after, more: true };
}
