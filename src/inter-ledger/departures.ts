/** What this ledger sent, as it stands: plain reads of what is committed. */
import type { DataSource } from "typeorm";
import type { UnixSeconds } from "#kernel";
import { type Departure, type DepartureState, sqlText, toDeparture } from "./tables.ts";

const SQL = {
  destinations: sqlText("waiting-destinations"),
  waiting: sqlText("waiting-departures"),
  counts: sqlText("read-waiting"),
  read: sqlText("read-departure"),
  list: sqlText("list-departures"),
  listOfState: sqlText("list-departures-of-state"),
} as const;

export interface DepartureRead extends Departure {
  /** Decimals of its asset. */
  readonly scale: number;
}

export interface Waiting {
  readonly toLedger: string;
  readonly count: number;
  readonly oldestSentAt: UnixSeconds;
}

export interface DeparturePage {
  /** Null: of any. */
  readonly state: DepartureState | null;
  readonly beforeSeq: number | null;
  readonly limit: number;
}

export interface DepartureQueries {
  find(id: string): Promise<DepartureRead | null>;
  /** Newest first, those sent before the one at `beforeSeq`. */
  list(page: DeparturePage): Promise<DepartureRead[]>;
  /** What is pending, by where it goes. */
  waiting(): Promise<Waiting[]>;
  /** Who something waits for. */
  destinations(): Promise<string[]>;
  /** What waits for one, oldest first, after the one at `afterSeq`. */
  waitingFor(ledgerId: string, page: { afterSeq: number; limit: number }): Promise<DepartureRead[]>;
}

export function departureQueries(database: DataSource): DepartureQueries {
  const rows = (sql: string, values: unknown[]): Promise<Record<string, unknown>[]> =>
    database.query(sql, values);
  return {
    async find(id) {
      const [row] = await rows(SQL.read, [id]);
      return row ? toRead(row) : null;
    },
    async list({ state, beforeSeq, limit }) {
      const found = state
        ? await rows(SQL.listOfState, [beforeSeq, limit, state])
        : await rows(SQL.list, [beforeSeq, limit]);
      return found.map(toRead);
    },
    async waiting() {
      const found = await rows(SQL.counts, []);
      return found.map((row) => ({
        toLedger: row.to_ledger as string,
        count: row.count as number,
        oldestSentAt: row.oldest_sent_at as number,
      }));
    },
    destinations: async () => (await rows(SQL.destinations, [])).map((row) => row.to_ledger_id as string),
    waitingFor: async (ledgerId, { afterSeq, limit }) =>
      (await rows(SQL.waiting, [ledgerId, afterSeq, limit])).map(toRead),
  };
}

function toRead(row: Record<string, unknown>): DepartureRead {
  return { ...toDeparture(row), scale: row.scale as number };
}
