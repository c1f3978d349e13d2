/**
 * Holds and the history of usage as the API and the jobs call them. Every change
 * is one unit of work; what it gives back is published before it is answered.
 * Whose request it is was decided by the caller; a hold made by another principal
 * for a user is not the user's to end, which is for the caller to see to.
 */
import type { DataSource } from "typeorm";
import { DomainError, type Ids, type UnixSeconds } from "#kernel";
import type { Idempotency, Submitted, View } from "#ledger";
import {
  commitHold,
  expireHolds,
  extendHold,
  holdReads,
  noSuchHold,
  type ReserveRequest,
  releaseHold,
  reserveQuota,
} from "./decide-holds.ts";
import { type HoldRecord, holdAt, type QuotaHold, toHold } from "./hold.ts";
import type { QuotaKind, QuotaTarget } from "./model.ts";
import type { Consumed, Quota } from "./quota.ts";
import { kindTable, sqlText } from "./tables.ts";
import { readKinds } from "./truth.ts";

const SQL = {
  hold: sqlText("read-hold"),
  openHolds: sqlText("read-open-holds"),
  hours: sqlText("read-usage-hours"),
  due: sqlText("read-due-quotas"),
} as const;

/** Few enough that requests find room between them. */
const DUE_PAGE = 500;

type Key = Idempotency | undefined;
/** A hold as plain JSON, which is what is stored with an idempotency key. */
type HoldValue = { [Member in keyof QuotaHold]: QuotaHold[Member] };

export interface QuotaHoldsOptions {
  readonly quota: Quota;
  readonly dataSource: DataSource;
  readonly ids: Ids;
}

export interface UsedHour {
  /** Hours since 1970-01-01 UTC. */
  readonly hour: number;
  readonly used: number;
}

export class QuotaHolds {
  readonly #quota: Quota;
  readonly #dataSource: DataSource;
  readonly #ids: Ids;

  constructor({ quota, dataSource, ids }: QuotaHoldsOptions) {
    this.#quota = quota;
    this.#dataSource = dataSource;
    this.#ids = ids;
  }

  /**
   * Takes units out of today until they are committed, released or expire.
   *
   * @param onGateBypassed called where Redis was not asked
   * @throws DomainError `quota_exceeded`, `rate_limited`
   */
  reserve(
    request: Omit<ReserveRequest, "holdId">,
    key: Key,
    onGateBypassed?: () => void,
  ): Promise<Consumed<HoldValue>> {
    const { userId, entityType, units } = request;
    const holdId = `hold_${this.#ids.uuid()}`;
    return this.#quota.consume<HoldValue>({
      ...{ userId, entityType, units, onGateBypassed },
      reads: holdReads(request, this.#quota.expectedDay()),
      unit: {
        name: "reserve-quota",
        idempotency: key,
        decide: (view) => ({ ...reserveQuota(view, { ...request, holdId }) }),
      },
    });
  }

  /** @throws DomainError as `commitHold` says */
  commit(hold: QuotaHold, units: number | undefined, key: Key): Promise<Submitted<HoldValue>> {
    return this.#change(hold, "commit-quota", key, (view) =>
      commitHold(view, { holdId: hold.id, ...(units === undefined ? {} : { units }) }),
    );
  }

  /** @throws DomainError as `releaseHold` says */
  release(hold: QuotaHold, key: Key): Promise<Submitted<HoldValue>> {
    return this.#change(hold, "release-quota", key, (view) => releaseHold(view, { holdId: hold.id }));
  }

  /** @throws DomainError as `extendHold` says */
  extend(
    hold: QuotaHold,
    change: { readonly ttlSeconds: number; readonly units?: number },
    key: Key,
  ): Promise<Submitted<HoldValue>> {
    return this.#change(hold, "extend-quota", key, (view) =>
      extendHold(view, { holdId: hold.id, ...change }),
    );
  }

  /** As it is now. @throws DomainError `not_found` */
  async holdOf(id: string): Promise<QuotaHold> {
    const [row]: (HoldRecord & { now: UnixSeconds })[] = await this.#dataSource.query(SQL.hold, [id]);
    if (!row) throw noSuchHold(id);
    return holdAt(toHold(row), row.now);
  }

  /** Of one quota, of any day, by id. */
  async openHolds(
    { userId, entityType }: QuotaTarget,
    page: { readonly limit: number; readonly afterId: string | null },
  ): Promise<QuotaHold[]> {
    const values = [userId, entityType, page.limit, page.afterId];
    const rows: HoldRecord[] = await this.#dataSource.query(SQL.openHolds, values);
    return rows.map(toHold);
  }

  /** Hours in which something was used, from `fromHour` (null: of the last day) and before `untilHour`, in order. */
  usedByHour(
    { userId, entityType }: QuotaTarget,
    range: { readonly fromHour: number | null; readonly untilHour: number | null; readonly limit: number },
  ): Promise<UsedHour[]> {
    const { fromHour, untilHour, limit } = range;
    return this.#dataSource.query(SQL.hours, [userId, entityType, fromHour, untilHour, limit]);
  }

  /** Every kind of quota with its thresholds as they are now. */
  kinds(): Promise<QuotaKind[]> {
    return readKinds(this.#dataSource);
  }

  /**
   * From the next batch on; one that is below what was told of today is not told of any more.
   *
   * @param percents whole numbers from 1 to 100
   * @throws DomainError `invalid_request` where there is no such entity type
   */
  setThresholds(entityType: number, percents: readonly number[]) {
    const thresholds = [...new Set(percents)].sort((a, b) => a - b);
    return this.#quota.submitWatched<{ entity_type: number; entity: string; thresholds: number[] }>(
      {
        name: "set-quota-thresholds",
        decide: (view) => {
          const kind = view.row(kindTable, { id: entityType });
          if (!kind)
            throw new DomainError("invalid_request", `entity_type ${entityType} does not exist`, {
              details: { member: "entity_type" },
            });
          view.putRow(kindTable, { ...kind, thresholds });
          return { entity_type: entityType, entity: kind.name, thresholds };
        },
      },
      [{ table: kindTable, key: { id: entityType } }],
    );
  }

  /** Ends what is due and was not met by any request since. Answers how many holds that were. */
  async expireDue(): Promise<number> {
    let ended = 0;
    for (;;) {
      const due: { user_id: string; entity_type: number; day: number; due: number }[] =
        await this.#dataSource.query(SQL.due, [DUE_PAGE]);
      const counts = await Promise.all(
        due.map(async ({ user_id: userId, entity_type: entityType, day }) => {
          const target = { userId, entityType, day };
          const unit = { name: "expire-quota-holds", decide: (view: View) => expireHolds(view, target) };
          return (await this.#quota.submitWatched(unit, holdReads(target, day))).value;
        }),
      );
      const endedNow = counts.reduce((sum, count) => sum + count, 0);
      const seen = due.reduce((sum, quota) => sum + quota.due, 0);
      ended += endedNow;
      if (seen < DUE_PAGE || endedNow === 0) return ended;
    }
  }

  #change(
    hold: QuotaHold,
    name: string,
    idempotency: Key,
    decide: (view: View) => QuotaHold,
  ): Promise<Submitted<HoldValue>> {
    const reads = holdReads(hold, hold.day, hold.id);
    return this.#quota.submitWatched<HoldValue>(
      { name, idempotency, decide: (view) => ({ ...decide(view) }) },
      reads,
    );
  }
}
