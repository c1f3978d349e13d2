/** What Postgres says: quota states and known idempotency keys, read in batches outside the writer. */
import type { DataSource } from "typeorm";
import { column, columns, type Idempotency } from "#ledger";
import { createBatchRead } from "./batch-read.ts";
import { type QuotaKind, type QuotaState, type QuotaTarget, targetText } from "./model.ts";
import { type KindRecord, sqlText, toKind } from "./tables.ts";

const SQL = {
  states: sqlText("read-states"),
  knownKeys: sqlText("known-idempotency-keys"),
  kinds: sqlText("read-kinds"),
  ledgerId: sqlText("read-ledger-id"),
} as const;

const MAX_KEYS_PER_QUERY = 1_000;

type KeyOfEffect = Pick<Idempotency, "principal" | "key">;

const keyColumns = columns<KeyOfEffect>(
  column.text((one) => one.principal),
  column.text((one) => one.key),
);
const targetColumns = columns<QuotaTarget>(
  column.text((target) => target.userId),
  column.int((target) => target.entityType),
);

export interface Truth {
  /** Today's committed state. `undefined`: there is no such entity type. */
  state(target: QuotaTarget): Promise<QuotaState | undefined>;
  /** Whether this key stands for an effect already. */
  isKnownKey(idempotency: KeyOfEffect): Promise<boolean>;
}

export function createTruth(dataSource: DataSource): Truth {
  const states = createBatchRead<QuotaTarget, QuotaState>({
    maxKeys: MAX_KEYS_PER_QUERY,
    textOf: targetText,
    query: (targets) => readStates(dataSource, targets),
  });
  const keys = createBatchRead<KeyOfEffect, true>({
    maxKeys: MAX_KEYS_PER_QUERY,
    textOf: keyText,
    query: async (wanted) => {
      const rows: KeyOfEffect[] = await dataSource.query(SQL.knownKeys, keyColumns(wanted));
      return new Map(rows.map((row) => [keyText(row), true]));
    },
  });
  return {
    state: (target) => states.read(target),
    isKnownKey: async ({ principal, key }) => (await keys.read({ principal, key })) ?? false,
  };
}

/** States of many quotas, all at one moment, by `targetText`. */
export async function readStates(
  dataSource: DataSource,
  targets: readonly QuotaTarget[],
): Promise<Map<string, QuotaState>> {
  const rows: StateRecord[] = await dataSource.query(SQL.states, targetColumns(targets));
  return new Map(
    rows.map((row) => {
      const state = toState(row);
      return [targetText(state), state];
    }),
  );
}

export async function readKinds(dataSource: DataSource): Promise<QuotaKind[]> {
  const rows: KindRecord[] = await dataSource.query(SQL.kinds);
  return rows.map(toKind);
}

export async function readLedgerId(dataSource: DataSource): Promise<string> {
  const rows: { id: string }[] = await dataSource.query(SQL.ledgerId);
  const id = rows[0]?.id;
  if (id === undefined) throw new Error("this ledger has no identity: were its migrations run?");
  return id;
}

function keyText({ principal, key }: KeyOfEffect): string {
  return JSON.stringify([principal, key]);
}

interface StateRecord {
  readonly user_id: string;
  readonly entity_type: number;
  readonly quota_per_day: number;
  readonly used: number;
  readonly held: number;
  readonly lapsed: number;
  readonly next_expiry: number | null;
  readonly version: number;
  readonly day: number;
  readonly now: number;
}

function toState(row: StateRecord): QuotaState {
  return {
    userId: row.user_id,
    entityType: row.entity_type,
    limit: row.quota_per_day,
    used: row.used,
    held: row.held,
    lapsed: row.lapsed,
    nextExpiry: row.next_expiry,
    day: row.day,
    version: row.version,
    now: row.now,
  };
}
