import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCoherent } from "./coherence.ts";
import { createWorld, DAY, seconds, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => {
  await expectCoherent(world);
  await world.stop();
});

const lockPath = (agreement: string) => `/api/v1/p2p/${agreement}/lock-tst`;
let agreements = 0;
function newAgreement(): string {
  agreements += 1;
  return `agreement-${agreements}`;
}

async function balances(userId: string) {
  const { body } = await world.get(`/api/v1/tst/access/${userId}`, { as: userId });
  return { available: body.available_tst, locked: body.locked_tst };
}

describe("locking TST for an agreement", () => {
  it("holds the amount at once and answers the lock in both documents' shapes", async () => {
    const user = await world.fundedUser(100);
    const agreement = newAgreement();
    const { status, body } = await world.post(lockPath(agreement), { amount: 10 }, { as: user });
    expect(status).toBe(200);
    expect(body).toEqual({
      lock_id: expect.stringMatching(/^lock_[0-9a-f]{32}$/),
      status: "locked",
      user_id: user,
      agreement_id: agreement,
      counterparty_id: null,
      amount: "10",
      tst_locked: "10",
      level: 1,
      locked_until: expect.any(String),
      termination_requested_by: [],
      tx_hash: null,
      contract_lock_id: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      settlement: { status: "pending", epoch: null },
      created_at: expect.any(String),
    });
    expect(seconds(body.locked_until) - seconds(body.created_at)).toBe(7 * DAY);
    expect(await balances(user)).toEqual({ available: "90", locked: "10" });
    const read = await world.get(`/api/v1/p2p/${agreement}`, { as: user });
    expect(read.body).toEqual(body);
  });

  it("takes the earlier document's path and members", async () => {
    const user = await world.fundedUser("50");
    const agreement = newAgreement();
    const request = {
      user_id: user,
      agreement_id: agreement,
      tst_amount: "50",
      amount: 50,
      duration_days: 90,
      wallet_address: "0x00000000000000000000000000000000000000aa",
    };
    const { status, body } = await world.post(`/api/v1/p2p/agreements/${agreement}/lock-tst`, request, {
      as: user,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ tst_locked: "50", level: 2 });
    expect(seconds(body.locked_until) - seconds(body.created_at)).toBe(90 * DAY);
    const [owner] = await world.rows<{ wallet: string }>(
      "SELECT encode(wallet_address, 'hex') AS wallet FROM owner WHERE id = $1",
      [user],
    );
    expect(owner?.wallet).toBe("00000000000000000000000000000000000000aa");
  });

  it.each([
    ["10", 1],
    ["49.999999999999999999", 1],
    [50, 2],
    ["249.5", 2],
    ["250", 3],
    [9000.25, 3],
  ])("puts %s TST on level %i", async (amount, level) => {
    const user = await world.fundedUser(10_000);
    const { body } = await world.post(lockPath(newAgreement()), { amount }, { as: user });
    expect(body.level).toBe(level);
  });

  it.each([1, 365])("lasts %i days where asked", async (days) => {
    const user = await world.fundedUser(10);
    const { body } = await world.post(
      lockPath(newAgreement()),
      { amount: 10, duration_days: days },
      { as: user },
    );
    expect(seconds(body.locked_until) - seconds(body.created_at)).toBe(days * DAY);
  });

  it.each<[string, unknown, string, string]>([
    ["an amount below the least level", { amount: "9.999999999999999999" }, "invalid_amount", "amount"],
    ["zero", { amount: 0 }, "invalid_amount", "amount"],
    ["a negative amount", { amount: -10 }, "invalid_amount", "amount"],
    ["19 decimals", { amount: "10.0000000000000000001" }, "invalid_amount", "amount"],
    ["a number with an exponent", { amount: 1e21 }, "invalid_amount", "amount"],
    ["an amount beyond every ledger", { amount: "9".repeat(70) }, "invalid_amount", "amount"],
    ["text for an amount", { amount: "ten" }, "invalid_amount", "amount"],
    ["no amount", {}, "invalid_request", "amount"],
    ["null for an amount", { amount: null }, "invalid_amount", "amount"],
    ["two amounts that differ", { amount: 10, tst_amount: 11 }, "invalid_request", "tst_amount"],
    ["no day", { amount: 10, duration_days: 0 }, "invalid_request", "duration_days"],
    ["366 days", { amount: 10, duration_days: 366 }, "invalid_request", "duration_days"],
    ["half a day", { amount: 10, duration_days: 0.5 }, "invalid_request", "duration_days"],
    ["days as text", { amount: 10, duration_days: "7" }, "invalid_request", "duration_days"],
    [
      "another agreement than the path",
      { amount: 10, agreement_id: "other" },
      "invalid_request",
      "agreement_id",
    ],
    ["an unknown member", { amount: 10, memo: "hello" }, "invalid_request", "memo"],
    [
      "the user as its own counterparty",
      { amount: 10, counterparty_id: "lock-user" },
      "invalid_request",
      "counterparty_id",
    ],
    [
      "a wallet with a wrong checksum",
      { amount: 10, wallet_address: `0xA${"b".repeat(39)}` },
      "invalid_request",
      "wallet_address",
    ],
  ])("refuses %s and names the member", async (_what, body, code, member) => {
    await world.grant("lock-user", 20);
    const before = await balances("lock-user");
    const answer = await world.post(lockPath("bad-agreement"), body, { as: "lock-user" });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toBe(code);
    expect(JSON.stringify(answer.body.details)).toContain(`"${member}"`);
    expect(await balances("lock-user")).toEqual(before);
  });

  it("refuses another user's id in the body with 403, and a request without a token with 401", async () => {
    const user = await world.fundedUser(10);
    const path = lockPath(newAgreement());
    expect((await world.post(path, { amount: 10, user_id: "somebody" }, { as: user })).status).toBe(403);
    expect((await world.post(path, { amount: 10 })).status).toBe(401);
  });

  it("says what is required and what is available where the balance does not cover it", async () => {
    const user = await world.fundedUser(15);
    const { status, body } = await world.post(lockPath(newAgreement()), { amount: 25 }, { as: user });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: "insufficient_balance",
      message: "User does not have enough TST balance",
      details: "Required: 25 TST, Available: 15 TST",
    });
  });

  it("refuses a second lock of an agreement, by anyone, and allows one again after the release", async () => {
    const [a, b] = [await world.fundedUser(50), await world.fundedUser(50)];
    const agreement = newAgreement();
    const first = await world.post(lockPath(agreement), { amount: 10, duration_days: 1 }, { as: a });
    for (const user of [a, b]) {
      const { status, body } = await world.post(lockPath(agreement), { amount: 10 }, { as: user });
      expect([status, body.error]).toEqual([409, "already_locked"]);
    }
    await world.advance(DAY);
    await world.post(`/api/v1/p2p/${agreement}/release`, {}, { as: a });
    const again = await world.post(lockPath(agreement), { amount: 20 }, { as: b });
    expect(again.status).toBe(200);
    expect(again.body.lock_id).not.toBe(first.body.lock_id);
    expect((await world.get(`/api/v1/p2p/${agreement}`, { as: b })).body).toEqual(again.body);
    expect((await world.get(`/api/v1/p2p/${agreement}`, { as: a })).body.lock_id).toBe(first.body.lock_id);
  });

  it("locks again under the same position once a lock is due, whether or not the job has come by", async () => {
    const user = await world.fundedUser(30);
    const agreement = newAgreement();
    const first = await world.post(lockPath(agreement), { amount: 30, duration_days: 1 }, { as: user });
    await world.advance(DAY);
    const again = await world.post(lockPath(agreement), { amount: 30, duration_days: 2 }, { as: user });
    expect(again.status).toBe(200);
    expect(again.body.contract_lock_id).toBe(first.body.contract_lock_id);
    expect(await balances(user)).toEqual({ available: "0", locked: "30" });
    const old = await world.rows<{ status: string }>("SELECT status FROM access_lock WHERE id = $1", [
      first.body.lock_id,
    ]);
    expect(old).toEqual([{ status: "released" }]);
  });
});

describe("many locks at once", () => {
  it("admits exactly ten of 200 against a balance for ten", async () => {
    const user = await world.fundedUser(100);
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => world.post(lockPath(newAgreement()), { amount: 10 }, { as: user })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ body }) => body.error === "insufficient_balance")).toHaveLength(190);
    expect(await balances(user)).toEqual({ available: "0", locked: "100" });
  });

  it("admits one of many for the same agreement", async () => {
    const users = await Promise.all(Array.from({ length: 8 }, () => world.fundedUser(10)));
    const agreement = newAgreement();
    const answers = await Promise.all(
      users.flatMap((as) => [0, 1, 2].map(() => world.post(lockPath(agreement), { amount: 10 }, { as }))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.error === "already_locked")).toHaveLength(23);
  });

  it("has one effect and one answer for one idempotency key, however often at once", async () => {
    const user = await world.fundedUser(100);
    const path = lockPath(newAgreement());
    const caller = { as: user, key: "once" };
    const answers = await Promise.all([1, 2, 3, 4].map(() => world.post(path, { amount: 10 }, caller)));
    for (const { status, body } of answers) expect([status, body]).toEqual([200, answers[0]?.body]);
    expect(answers.filter(({ headers }) => headers.get("idempotent-replayed") === "true")).toHaveLength(3);
    expect(await balances(user)).toEqual({ available: "90", locked: "10" });
    const other = await world.post(path, { amount: 11 }, caller);
    expect([other.status, other.body.error]).toEqual([422, "idempotency_key_reused"]);
  });

  it("replays a refusal for want of balance, even when the balance came since", async () => {
    const user = await world.fundedUser(5);
    const path = lockPath(newAgreement());
    const caller = { as: user, key: "too-early" };
    const refused = await world.post(path, { amount: 10 }, caller);
    await world.grant(user, 100);
    const replayed = await world.post(path, { amount: 10 }, caller);
    expect(replayed.status).toBe(400);
    expect(replayed.headers.get("idempotent-replayed")).toBe("true");
    expect(replayed.body.details).toBe(refused.body.details);
    expect((await world.post(path, { amount: 10 }, { as: user, key: "later" })).status).toBe(200);
  });
});

describe("the end of a lock", () => {
  async function locked(counterparty?: string) {
    const user = await world.fundedUser(10);
    const agreement = newAgreement();
    const request = {
      amount: 10,
      duration_days: 1,
      ...(counterparty ? { counterparty_id: counterparty } : {}),
    };
    const { body } = await world.post(lockPath(agreement), request, { as: user });
    return { user, agreement, lock: body };
  }
  const release = (agreement: string, as: string, roles = ["user"]) =>
    world.post(`/api/v1/p2p/${agreement}/release`, {}, { as, roles });
  const terminate = (agreement: string, as: string, roles = ["user"]) =>
    world.post(`/api/v1/p2p/${agreement}/terminate`, {}, { as, roles });

  it("comes by release at locked_until and not a second before", async () => {
    const { user, agreement, lock } = await locked();
    const early = await release(agreement, user);
    expect([early.status, early.body.error]).toEqual([409, "not_expired"]);
    expect(early.body.details).toEqual({ locked_until: lock.locked_until });
    await world.advance(seconds(lock.locked_until) - (await world.now()));
    const done = await release(agreement, user);
    expect(done.status).toBe(200);
    expect(done.body).toEqual({ ...lock, status: "released" });
    expect(await balances(user)).toEqual({ available: "10", locked: "0" });
    expect((await release(agreement, user)).body).toEqual(done.body);
  });

  it("is a matter of the parties: others get 403, and 404 where there is no lock", async () => {
    const { user, agreement } = await locked("party");
    await world.advance(DAY);
    expect((await release(agreement, "stranger")).status).toBe(403);
    expect((await terminate(agreement, "stranger")).status).toBe(403);
    expect((await world.get(`/api/v1/p2p/${agreement}`, { as: "stranger" })).status).toBe(403);
    expect((await release("no-such-agreement", user)).status).toBe(404);
    expect((await terminate("no-such-agreement", user)).status).toBe(404);
    expect((await world.get("/api/v1/p2p/no-such-agreement", { as: user })).status).toBe(404);
    expect((await world.get(`/api/v1/p2p/${agreement}`, { as: "party" })).status).toBe(200);
    expect((await world.get(`/api/v1/p2p/${agreement}`, { as: "x", roles: ["auditor"] })).status).toBe(200);
    expect((await release(agreement, "party")).body.status).toBe("released");
    expect(await balances(user)).toEqual({ available: "10", locked: "0" });
  });

  it.each(["locker first", "counterparty first"])(
    "comes early once both parties asked, %s",
    async (order) => {
      const { user, agreement } = await locked("partner");
      const [first, second] = order === "locker first" ? [user, "partner"] : ["partner", user];
      for (const _ of [1, 2]) {
        const asked = await terminate(agreement, first);
        expect(asked.body).toMatchObject({ status: "locked", termination_requested_by: [first] });
      }
      expect(await balances(user)).toEqual({ available: "0", locked: "10" });
      const done = await terminate(agreement, second);
      expect(done.body).toMatchObject({ status: "terminated", termination_requested_by: [user, "partner"] });
      expect(await balances(user)).toEqual({ available: "10", locked: "0" });
      expect((await terminate(agreement, first)).body.status).toBe("terminated");
      const late = await release(agreement, user);
      expect([late.status, late.body.error]).toEqual([409, "not_active"]);
    },
  );

  it("comes early by an arbiter, to the locker, with or without a counterparty", async () => {
    for (const counterparty of [undefined, "other-side"]) {
      const { user, agreement } = await locked(counterparty);
      const done = await terminate(agreement, "judge", ["arbiter"]);
      expect(done.body.status).toBe("terminated");
      expect(await balances(user)).toEqual({ available: "10", locked: "0" });
    }
  });

  it("is not for the locker alone where there is no counterparty", async () => {
    const { user, agreement } = await locked();
    const answer = await terminate(agreement, user);
    expect([answer.status, answer.body.error]).toEqual([403, "forbidden"]);
    expect(await balances(user)).toEqual({ available: "0", locked: "10" });
  });

  it("is a release where early termination is asked for too late", async () => {
    const { user, agreement } = await locked("slow");
    await world.advance(DAY);
    expect((await terminate(agreement, "slow")).body.status).toBe("released");
    const again = await terminate(agreement, user);
    expect([again.status, again.body.error]).toEqual([409, "not_active"]);
  });
});

describe("the settlement of a lock", () => {
  it("is shown as the position is now", async () => {
    const user = await world.fundedUser(10);
    const agreement = newAgreement();
    const { body } = await world.post(lockPath(agreement), { amount: 10 }, { as: user });
    const position = await world.access.positionOf("locks", body.lock_id);
    expect(position).toMatchObject({ userId: user, keyParts: [user, agreement] });
    const txHash = `0x${"ab".repeat(32)}`;
    world.settled.set(position?.accountId ?? "", { status: "committed", epoch: 3, txHash });
    const { body: read } = await world.get(`/api/v1/p2p/${agreement}`, { as: user });
    expect(read).toEqual({ ...body, tx_hash: txHash, settlement: { status: "committed", epoch: 3 } });
    expect(await world.access.positionOf("locks", "lock_unknown")).toBeNull();
    expect(await world.access.positionOf("stakes", body.lock_id)).toBeNull();
  });
});
