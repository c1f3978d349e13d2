/** A real pool whose chosen statements wait on their way in, so that a test decides what happens before them. */
import type { Pool } from "pg";

export interface HeldPool {
  readonly pool: Pool;
  /** Of the chosen statements: those that run or wait now, the most that ever did at once, those that ended. */
  readonly counts: { now: number; most: number; ended: number };
  /** The next so many of them wait. */
  hold(many?: number): void;
  /** Ends when one of them waits. */
  arrived(): Promise<void>;
  /** Lets pass what waits and all that comes. */
  release(): void;
}

/** @param chosen what a statement's text must match to be one of those that wait */
export function heldPool(pool: Pool, chosen: RegExp): HeldPool {
  const [arrival, passage] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const counts = { now: 0, most: 0, ended: 0 };
  let toHold = 0;
  const query = async (text: string, values: unknown[]) => {
    if (!chosen.test(text)) return pool.query(text, values);
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    try {
      if (toHold > 0) {
        toHold -= 1;
        arrival.resolve();
        await passage.promise;
      }
      return await pool.query(text, values);
    } finally {
      counts.now -= 1;
      counts.ended += 1;
    }
  };
  const held = new Proxy(pool, {
    get(target, name) {
      if (name === "query") return query;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return {
    ...{ pool: held, counts },
    hold(many = Number.POSITIVE_INFINITY) {
      toHold = many;
    },
    arrived: () => arrival.promise,
    release() {
      toHold = 0;
      passage.resolve();
    },
  };
}
