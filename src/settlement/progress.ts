/** How far settlement is behind the ledger, as metrics. */
import type { Pool } from "pg";
import type { Metrics } from "#infra";
import { firstRow, SQL } from "./sql.ts";

interface ProgressRow {
  next_seq: number;
  now: number;
  final_size: number | null;
  committed_size: number | null;
  final_closed_at: number | null;
  last_number: number | null;
  committed_number: number | null;
  final_number: number | null;
  last_commit_time: number | null;
  oldest_open_closed_at: number | null;
  attestations_missing: number;
  open: Record<string, number>;
}

export interface Progress {
  /** Journal lines that no final epoch holds. */
  readonly lagLines: number;
  /** Those of them that no committed epoch holds either. */
  readonly notCommittedLines: number;
  /** Age of the newest final epoch while lines wait; 0 when all is settled, null before the first. */
  readonly lagSeconds: number | null;
  readonly lastEpoch: number | null;
  readonly lastCommitted: number | null;
  readonly lastFinal: number | null;
}

export async function readProgress(pool: Pool, book: number): Promise<Progress & { row: ProgressRow }> {
  const row = await firstRow<ProgressRow>(pool, SQL.progress, [book]);
  if (!row) throw new Error("the ledger has no journal head");
  const lagLines = row.next_seq - (row.final_size ?? 0);
  const age = row.final_closed_at === null ? null : row.now - row.final_closed_at;
  return {
    lagLines,
    notCommittedLines: row.next_seq - (row.committed_size ?? 0),
    lagSeconds: lagLines === 0 ? 0 : age,
    lastEpoch: row.last_number,
    lastCommitted: row.committed_number,
    lastFinal: row.final_number,
    row,
  };
}

export async function observeProgress(pool: Pool, book: number, metrics: Metrics): Promise<void> {
  const { row, lagSeconds, lagLines } = await readProgress(pool, book);
  if (lagSeconds !== null) metrics.epochLag.set(lagSeconds);
  metrics.epochLagLines.set(lagLines);
  if (row.last_commit_time !== null) metrics.lastCommitTime.set(row.last_commit_time);
  metrics.journalSize.set(row.next_seq);
  const numbers = { built: row.last_number, committed: row.committed_number, final: row.final_number };
  for (const [status, number] of Object.entries(numbers))
    if (number !== null) metrics.epochNumber.set({ status }, number);
  for (const status of ["built", "sent", "committed", "vetoed"])
    metrics.outboxEpochs.set({ status }, row.open[status] ?? 0);
  metrics.attestationsMissing.set(row.attestations_missing);
  metrics.outboxOldestAge.set(row.oldest_open_closed_at === null ? 0 : row.now - row.oldest_open_closed_at);
}
