/**
 * Random programs of holds, consumption, limits, sweeps and passing time: each
 * answer, and what is left after it, as the plain rules say. A failure names its
 * seed (`SEED=123 npx vitest run …` runs one more).
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { DomainError, SECONDS_PER_DAY, systemIds } from "#kernel";
import type { Json, View } from "#ledger";
import {
  commitHold,
  consumeQuota,
  extendHold,
  QuotaHolds,
  releaseHold,
  reserveQuota,
  viewQuota,
} from "#quota";
import type { TestDatabase } from "../support/database.ts";
import { QUOTA_RULES } from "../support/quota-rules.ts";
import { createRandom, type Random } from "../support/random.ts";
import {
  advanceClock,
  allow,
  createQuotaDatabase,
  type Instance,
  newUser,
  RISK,
  startInstance,
} from "./harness.ts";
import { type Code, PlainQuota } from "./plain-quota.ts";

const SEEDS = [1, 2, 3, 4, 5, createRandom().seed];
const STEPS = 150;
const LIMITS = [0, 5, 20, 40];
const TTLS = [1, 30, 3_600, SECONDS_PER_DAY, 3 * SECONDS_PER_DAY];
const LEAPS = [1, 29, 1_800, 3_600, SECONDS_PER_DAY / 2];

let database: TestDatabase;
let a: Instance;
let holds: QuotaHolds;

beforeAll(async () => {
  database = await createQuotaDatabase();
  a = await startInstance(database, null);
  holds = new QuotaHolds({ quota: a.quota, dataSource: a.dataSource, ids: systemIds });
});
afterAll(async () => {
  await a.stop();
  await database.drop();
});

/** With the time at which it was decided: that of the database, which passes by itself as well. */
async function decided<R extends Json>(
  decide: (view: View) => R,
): Promise<{ now: number; code: Code; value: R | null }> {
  let now = 0;
  const unit = {
    name: "test",
    decide: (view: View) => {
      now = view.now;
      return decide(view);
    },
  };
  try {
    const { value } = await a.ledger.submit(unit);
    return { now, code: "ok", value };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { now, code: error.code, value: null };
  }
}

class Program {
  readonly #random: Random;
  readonly #userId = newUser();
  readonly #plain = new PlainQuota(LIMITS[2] ?? 0);
  readonly #ids: string[] = [];
  readonly codes = new Set<string>();

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  async begin(): Promise<void> {
    await allow(a, this.#userId, this.#plain.limit);
  }

  async step(): Promise<void> {
    const chance = this.#random.below(20);
    if (chance < 2) await advanceClock(database, this.#random.pick(LEAPS));
    else if (chance < 3) await holds.expireDue();
    else if (chance < 5) {
      this.#plain.limit = this.#random.pick(LIMITS);
      await allow(a, this.#userId, this.#plain.limit);
    } else await this.#act(chance);
    const { now, value } = await decided((view) => ({ ...viewQuota(view, this.#target) }));
    const { used, held } = this.#plain.today(now);
    expect(value).toMatchObject({ used: used + held, held });
  }

  get #target() {
    return { userId: this.#userId, entityType: RISK };
  }

  async #act(chance: number): Promise<void> {
    const target = this.#target;
    const units = 1 + this.#random.below(9);
    const ttlSeconds = this.#random.pick(TTLS);
    if (chance < 8) {
      const { now, code } = await decided((view) => ({ ...consumeQuota(view, { ...target, units }) }));
      return this.#same(`consume ${units}`, code, this.#plain.consume(now, units));
    }
    if (chance < 12 || this.#ids.length === 0) {
      const request = { ...target, units, ttlSeconds, createdBy: this.#userId, reference: null };
      const holdId = `hold_${this.#random.uuid()}`;
      const { now, code } = await decided((view) => ({ ...reserveQuota(view, { ...request, holdId }) }));
      if (code === "ok") this.#ids.push(holdId);
      return this.#same(`reserve ${units}`, code, this.#plain.reserve(now, holdId, units, ttlSeconds));
    }
    await this.#end(chance, ttlSeconds);
  }

  async #end(chance: number, ttlSeconds: number): Promise<void> {
    const holdId = this.#random.pick(this.#ids.slice(-5));
    const units = this.#random.chance(0.3) ? undefined : this.#random.below(10);
    const some = units === undefined ? {} : { units };
    if (chance < 15) {
      const { now, code } = await decided((view) => ({ ...commitHold(view, { holdId, ...some }) }));
      return this.#same(`commit ${units}`, code, this.#plain.commit(now, holdId, units));
    }
    if (chance < 17) {
      const { now, code } = await decided((view) => ({ ...releaseHold(view, { holdId }) }));
      return this.#same("release", code, this.#plain.release(now, holdId));
    }
    const more = units === 0 ? {} : some;
    const { now, code } = await decided((view) => ({ ...extendHold(view, { holdId, ttlSeconds, ...more }) }));
    this.#same(
      `extend ${units}`,
      code,
      this.#plain.extend(now, holdId, ttlSeconds, units === 0 ? undefined : units),
    );
  }

  #same(what: string, code: Code, expected: Code): void {
    this.codes.add(`${what.split(" ")[0]} ${code}`);
    expect([what, code]).toEqual([what, expected]);
  }

  /** As the rows have it, where a hold is open until somebody wrote down that it is not. */
  async end(): Promise<void> {
    await holds.expireDue();
    const { now } = await decided(() => null);
    this.#plain.today(now);
    for (const id of this.#ids) {
      expect(await holds.holdOf(id)).toMatchObject(this.#plain.holdOf(id));
    }
    for (const [rule, sql] of Object.entries(QUOTA_RULES))
      expect([rule, await a.dataSource.query(sql)]).toEqual([rule, []]);
  }
}

it("answers as the plain rules do, and reaches every answer there is", { timeout: 120_000 }, async () => {
  const codes = new Set<string>();
  for (const seed of SEEDS) {
    const program = new Program(seed);
    await program.begin();
    for (let step = 0; step < STEPS; step++) {
      try {
        await program.step();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}`, { cause: error });
      }
    }
    await program.end();
    for (const code of program.codes) codes.add(code);
  }
  expect([...codes].sort()).toEqual([
    "commit not_active",
    "commit ok",
    "commit quota_exceeded",
    "consume ok",
    "consume quota_exceeded",
    "extend not_active",
    "extend ok",
    "extend quota_exceeded",
    "release not_active",
    "release ok",
    "reserve ok",
    "reserve quota_exceeded",
  ]);
});
