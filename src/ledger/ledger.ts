/**
 * One ledger: the writer that all changes go through, and the ids of its derived
 * accounts. Reads are ordinary queries and never see a change before it is
 * committed.
 */
import { createClient, type Log } from "#infra";
import type { Ids } from "#kernel";
import { accountIds } from "./account-id.ts";
import type { Json } from "./json.ts";
import type { AccountSpec, Submitted, Unit } from "./unit.ts";
import { type BatchObservation, Writer, type WriterLimits } from "./writer.ts";

export interface Ledger {
  /**
   * Queues a unit of work and answers when its batch is committed.
   * @throws DomainError what the unit's `decide` threw; `unavailable` where the database is gone or
   *   the queue is full; `idempotency_key_reused` where its key stands for another request
   */
  submit<R extends Json>(unit: Unit<R>): Promise<Submitted<R>>;
  /** The id of the account of an owner's role: derived, keyed, the same for ever. Does no I/O. */
  accountId(spec: AccountSpec): string;
  /** Ends the writer when what is queued is written. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  /** As the application's role. */
  readonly databaseUrl: string;
  readonly schema: string;
  readonly ids: Ids;
  readonly log: Log;
  readonly onBatch?: (batch: BatchObservation) => void;
  readonly limits?: Partial<WriterLimits>;
  /** How long a batch waits for the head, or for a row, that another transaction has; then it is `unavailable`. Default 5,000. */
  readonly lockTimeoutMs?: number;
  /** Asked before a unit is queued: throws where nothing may be written now. */
  readonly admit?: () => void;
}

export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { ids, log, onBatch, limits, lockTimeoutMs } = options;
  const connection = {
    url: options.databaseUrl,
    schema: options.schema,
    applicationName: "anchorbook-writer",
    ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
  };
  const derived = accountIds(await readAccountSecret(connection));
  const writer = new Writer({
    createClient: () => createClient(connection),
    context: { accountIds: derived, ids },
    ids,
    log,
    monotonicMs: () => performance.now(),
    ...(onBatch ? { onBatch } : {}),
    ...(limits ? { limits } : {}),
  });
  return {
    submit(unit) {
      try {
        options.admit?.();
      } catch (error) {
        return Promise.reject(error);
      }
      return writer.submit(unit);
    },
    accountId: (spec) => derived.derive(spec),
    close: () => writer.close(),
  };
}

async function readAccountSecret(connection: Parameters<typeof createClient>[0]): Promise<Uint8Array> {
  const client = createClient(connection);
  await client.connect();
  try {
    const { rows } = await client.query<{ account_secret: Uint8Array }>(
      "SELECT account_secret FROM ledger_identity",
    );
    const secret = rows[0]?.account_secret;
    if (!secret) throw new Error("this ledger has no identity: were its migrations run?");
    return secret;
  } finally {
    await client.end();
  }
}
