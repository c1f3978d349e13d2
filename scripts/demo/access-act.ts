/** Users act over HTTP, and each answer already shows the effect. */
import { randomUUID } from "node:crypto";
import type { Caller } from "./caller.ts";
import { trialBalanceStep } from "./import-act.ts";
import { errorOf, grouped, mustBeOk, type Stage } from "./stage.ts";

const GRANTS = { alice: "60", bob: "200", carol: "20", dave: "100" } as const;
const PARALLEL_LOCKS = 200;
const LOCKS_DAVE_CAN_PAY = 10;
/** Above every quota here, so that a gate that lets all through ends too. */
const MOST_UNITS = 50;

export interface Acted {
  readonly alice: Caller;
  readonly agreement: string;
  readonly lockId: string;
}

interface Access {
  readonly available_tst: string;
  readonly locked_tst: string;
  readonly staked_tst: string;
  readonly current_tier: number;
  readonly entity_access: Readonly<Record<string, { quota_per_day: number; used_today: number }>>;
}

export async function accessOf(user: Caller): Promise<Access> {
  return mustBeOk(await user.get<Access>(`/api/v1/tst/access/${user.id}`));
}

export async function accessAct(stage: Stage): Promise<Acted> {
  const { story, operator } = stage;
  for (const [user, amount] of Object.entries(GRANTS))
    mustBeOk(
      await operator.post("/api/v1/admin/grants", { user_id: user, asset: "TST", amount, reason: "demo" }),
    );
  story.say(
    `the operator grants TST: ${Object.entries(GRANTS)
      .map(([user, amount]) => `${user} ${amount}`)
      .join(", ")}`,
  );
  const acted = await lockStep(stage);
  await tierStep(stage);
  await reserveStep(stage);
  await parallelStep(stage);
  await trialBalanceStep(stage);
  return acted;
}

async function lockStep({ story, user, nobody }: Stage): Promise<Acted> {
  const [alice, mallory] = [await user("alice"), await user("mallory")];
  const needed = mustBeOk(
    await nobody.get<{ required_tst: string; user_status: string }>("/api/v1/tst/requirements/lock_p2p"),
  );
  story.check(
    "anyone can ask what a lock requires",
    needed.required_tst === "10" && needed.user_status === "anonymous",
    `${needed.required_tst} TST`,
  );
  const agreement = "agreement_1";
  const [path, body, key] = [
    `/api/v1/p2p/${agreement}/lock-tst`,
    { amount: 50, duration_days: 7, counterparty_id: "bob" },
    randomUUID(),
  ];
  const lock = await alice.post<{ lock_id: string; status: string; level: number }>(path, body, key);
  const { lock_id: lockId, level } = mustBeOk(lock);
  const after = await accessOf(alice);
  story.check(
    "alice locks 50 TST, and has the lock when the answer is there",
    lock.body.status === "locked" && after.locked_tst === "50" && after.available_tst === "10",
    `level ${level}, ${lock.milliseconds.toFixed(0)} ms, no block waited for`,
  );
  const again = await alice.post<{ lock_id: string }>(path, body, key);
  story.check(
    "the same request again is the same lock",
    again.body.lock_id === lockId && again.headers.get("idempotent-replayed") === "true",
  );
  const second = await alice.post(path, { amount: 10 });
  story.check("an agreement is locked once", second.status === 409, errorOf(second.body));
  const tooMuch = await alice.post("/api/v1/p2p/agreement_2/lock-tst", { amount: 50 });
  story.check(
    "nobody locks what they do not have",
    tooMuch.status === 400 && errorOf(tooMuch.body) === "insufficient_balance",
    errorOf(tooMuch.body),
  );
  const foreign = await mallory.get("/api/v1/tst/access/alice");
  story.check("another user's access is not shown", foreign.status === 403, errorOf(foreign.body));
  return { alice, agreement, lockId };
}

async function tierStep({ story, user }: Stage): Promise<void> {
  const bob = await user("bob");
  const upgrade = (tier: number) =>
    bob.post<{ amount: string; new_limits: { analyses_per_day: number } }>(
      "/api/v1/strategies/momentum/upgrade-tier",
      { tier },
    );
  mustBeOk(await upgrade(1));
  const first = await useUntilRefused(bob);
  story.check("tier 1 lets bob use 5 units today, and the sixth is refused", first.used === 5, first.refusal);
  const second = await upgrade(2);
  const { amount, new_limits } = mustBeOk(second);
  const more = await useUntilRefused(bob);
  story.check(
    "tier 2 counts at once: 5 units more, then refused again",
    more.used === 5 && amount === "25",
    `the stake is ${amount} TST, ${new_limits.analyses_per_day} analyses a day, ${second.milliseconds.toFixed(0)} ms`,
  );
  const lower = await upgrade(1);
  story.check("a tier is not bought down", lower.status === 409, errorOf(lower.body));
}

async function useUntilRefused(user: Caller): Promise<{ used: number; refusal: string }> {
  for (let used = 0; used < MOST_UNITS; used++) {
    const answer = await user.post("/api/v1/entities/strategy_engine/reserve-compute", {
      entity: "strategy",
    });
    if (answer.status === 429)
      return {
        used,
        refusal: `429 ${errorOf(answer.body)}, retry after ${answer.headers.get("retry-after")} s`,
      };
    mustBeOk(answer);
  }
  return { used: MOST_UNITS, refusal: "never refused" };
}

async function reserveStep({ story, user }: Stage): Promise<void> {
  const carol = await user("carol");
  const reserved = mustBeOk(
    await carol.post<{ tst_reserved: string; quota_per_day: number }>(
      "/api/v1/entities/risk_engine/reserve-compute",
      { entity: "risk", duration_days: 30 },
    ),
  );
  const { entity_access } = await accessOf(carol);
  story.check(
    "carol reserves compute and has the quota at once",
    reserved.tst_reserved === "5" && entity_access.risk?.quota_per_day === 11,
    `1 + ${reserved.quota_per_day} a day`,
  );
}

async function parallelStep({ story, user }: Stage): Promise<void> {
  const dave = await user("dave");
  const started = performance.now();
  const answers = await Promise.all(
    Array.from({ length: PARALLEL_LOCKS }, (_, n) =>
      dave.post(`/api/v1/p2p/race_${n}/lock-tst`, { amount: 10 }),
    ),
  );
  const ms = performance.now() - started;
  const locked = answers.filter(({ status }) => status === 200).length;
  const refused = answers.filter(({ body }) => errorOf(body) === "insufficient_balance").length;
  const { available_tst, locked_tst } = await accessOf(dave);
  story.check(
    `of ${PARALLEL_LOCKS} locks at the same moment exactly ${LOCKS_DAVE_CAN_PAY} succeed`,
    locked === LOCKS_DAVE_CAN_PAY &&
      locked + refused === PARALLEL_LOCKS &&
      available_tst === "0" &&
      locked_tst === "100",
    `${grouped((PARALLEL_LOCKS * 1_000) / ms)} requests a second`,
  );
}
