/**
 * Many clients that ask for the same few quotas without end, by consumption and by
 * holds that are committed in part or released. What they were answered is counted,
 * so that it can be compared with the limits and with Postgres.
 */
import { expect, vi } from "vitest";
import { systemIds } from "#kernel";
import { type QuotaHold, QuotaHolds } from "#quota";
import { consume, type Instance, isDenial, RISK } from "./harness.ts";

export interface Hammer {
  readonly errors: readonly unknown[];
  /** Units that were admitted for good, by the answers. */
  taken(userId: string): number;
  /** So many more answers, whatever they are. */
  answers(count: number): Promise<void>;
  /** Until all of these have as much as they may have: a lasting false denial would never let it happen. */
  until(limits: ReadonlyMap<string, number>): Promise<void>;
  stop(): Promise<void>;
}

const TTL_SECONDS = 600;

export function startHammer(instances: readonly Instance[], users: readonly string[], workers = 12): Hammer {
  const taken = new Map<string, number>();
  const errors: unknown[] = [];
  let answered = 0;
  let stopped = false;
  const take = (userId: string, units: number) => taken.set(userId, (taken.get(userId) ?? 0) + units);
  const holdsOf = new Map(
    instances.map((instance) => [
      instance,
      new QuotaHolds({ quota: instance.quota, dataSource: instance.dataSource, ids: systemIds }),
    ]),
  );
  const resolve = async (holds: QuotaHolds, hold: QuotaHold, turn: number) => {
    if (turn % 3 === 0) return void (await holds.release(hold, undefined));
    const { value } = await holds.commit(hold, 1 + (turn % hold.units), undefined);
    take(hold.userId, value.committed ?? 0);
  };
  const work = async (place: number) => {
    for (let turn = place; !stopped; turn++) {
      const instance = instances[turn % instances.length];
      const userId = users[Math.floor(turn / instances.length) % users.length] ?? "";
      const holds = instance && holdsOf.get(instance);
      if (!instance || !holds) throw new Error("there is nobody to ask");
      try {
        if (turn % 5 === 0) {
          const request = {
            userId,
            entityType: RISK,
            units: 3,
            ttlSeconds: TTL_SECONDS,
            createdBy: userId,
            reference: null,
          };
          await resolve(holds, (await holds.reserve(request, undefined)).value, turn);
        } else {
          await consume(instance, { userId });
          take(userId, 1);
        }
      } catch (error) {
        if (!isDenial(error)) errors.push(error);
      }
      answered++;
    }
  };
  const running = Array.from({ length: workers }, (_, place) => work(place));
  return {
    errors,
    taken: (userId) => taken.get(userId) ?? 0,
    answers: async (count) => {
      const goal = answered + count;
      await vi.waitFor(() => expect(answered).toBeGreaterThan(goal), { timeout: 60_000 });
    },
    until: (limits) =>
      vi.waitFor(
        () => {
          const missing = [...limits].filter(([userId, limit]) => (taken.get(userId) ?? 0) < limit);
          expect(missing).toEqual([]);
        },
        { timeout: 60_000 },
      ),
    stop: async () => {
      stopped = true;
      await Promise.all(running);
    },
  };
}
