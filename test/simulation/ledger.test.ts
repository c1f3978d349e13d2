/**
 * The ledger against a plain model of it: random transfers in random batches, by
 * one writer whose connection is cut at every seventh COMMIT, while time jumps. Every
 * code and every balance must agree after every round.
 */
import { afterEach, beforeEach, expect, onTestFailed, test } from "vitest";
import type { Ledger, TransferCode, TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import { newAccount, openTestLedger, readsOf, startLedger, type TestLedger } from "../support/ledger.ts";
import { createRandom, type Random } from "../support/random.ts";
import { ModelLedger } from "./model/model-ledger.ts";
import { randomWorld, TransferMaker } from "./random-transfers.ts";

/** `ROUNDS=1000 SEED=7 npx vitest run test/simulation --testTimeout=0` for a long run. */
const ROUNDS = Number.parseInt(process.env.ROUNDS ?? "", 10) || 35;
const MOST_UNITS = 40;

let books: TestLedger;
let proxy: CutProxy;
let ledger: Ledger;
let ahead: number;

beforeEach(async () => {
  books = await startLedger();
  proxy = await startCutProxy(books.database.appUrl);
});
afterEach(async () => {
  await ledger.close();
  await proxy.close();
  await books.close();
});

type Decided = { now: number; codes: TransferCode[]; seqs: (number | null)[] };

function submit(requests: readonly TransferRequest[], key: string | null): Promise<Decided> {
  const idempotency = key === null ? undefined : { principal: "p", key, fingerprint: "00".repeat(32) };
  const unit = ledger.submit<Decided>({
    ...{ name: "simulated", idempotency, weight: requests.length, reads: readsOf(requests) },
    decide: (view) => {
      const results = view.tryTransfers(requests);
      return {
        now: view.now,
        codes: results.map(({ code }) => code),
        seqs: results.map(({ transfer }) => transfer?.seq ?? null),
      };
    },
  });
  return unit.then(({ value }) => value);
}

async function createWorld(random: Random, model: ModelLedger) {
  const world = randomWorld(random);
  await books.asOwner("SELECT create_asset('CAP', 0::smallint, true, true, 500, 0)");
  await ledger.submit({
    name: "open",
    decide: (view) => {
      for (const [id, account] of world)
        view.openAccountWithId(newAccount({ ...account, id, createdAt: view.now }));
      return null;
    },
  });
  for (const [id, account] of world) model.open(id, account);
  return world;
}

async function balancesOf(model: ModelLedger) {
  const rows = await books.asOwner(
    "SELECT id, debits_posted, credits_posted, debits_pending, credits_pending FROM account WHERE id = ANY ($1::uuid[])",
    [[...model.accounts.keys()]],
  );
  return new Map(
    rows.map((row) => [
      row.id,
      [row.debits_posted, row.credits_posted, row.debits_pending, row.credits_pending],
    ]),
  );
}

test.each([
  { decided: "under the head", aheadWeight: Number.POSITIVE_INFINITY },
  { decided: "ahead", aheadWeight: 1 },
])(
  "agrees with the model on every code and every balance, whatever the order, the time and the cuts: decided $decided",
  async ({ aheadWeight }) => {
    ahead = 0;
    ledger = await openTestLedger(books.database, {
      databaseUrl: proxy.url,
      limits: { batchWeight: 12, patienceMs: 30_000, aheadWeight },
      onBatch: (batch) => {
        if (batch.decidedAhead) ahead += 1;
      },
    });
    const random = createRandom();
    onTestFailed(() => console.error(`SEED=${random.seed}`));
    const model = new ModelLedger();
    const maker = new TransferMaker(random, await createWorld(random, model));
    let commits = 0;
    proxy.atCommit = () =>
      commits++ % 7 === 3 ? random.pick(["before-commit", "after-commit"] as const) : null;
    const seen = new Map<TransferCode, number>();
    const promised = new Map<string, number | null>();
    let keys = 0;

    for (let round = 0; round < ROUNDS; round++) {
      const now = await books.queries.now();
      const lists = Array.from({ length: 1 + random.below(MOST_UNITS) }, () => maker.list(now));
      const work = lists.map((requests) => {
        const key = random.chance(0.3) ? `key-${keys++}` : null;
        return { requests, key, decided: submit(requests, key) };
      });
      const decided = await Promise.all(work.map((one) => one.decided));
      for (const [at, { requests }] of work.entries()) {
        const { now: time, codes, seqs } = decided[at] as Decided;
        expect([round, at, requests, codes]).toEqual([round, at, requests, model.transfers(requests, time)]);
        for (const code of codes) seen.set(code, (seen.get(code) ?? 0) + 1);
        for (const [leg, { id }] of requests.entries())
          if (codes[leg] === "ok") promised.set(id, seqs[leg] ?? null);
      }
      // What was decided under a key is answered again, whatever has become of the books.
      for (const [at, { requests, key }] of work.entries())
        if (key !== null && random.chance(0.3)) expect(await submit(requests, key)).toEqual(decided[at]);
      if (random.chance(0.3)) await books.advance(1 + random.below(15));
      // A batch of nothing sweeps what is due by now; the model learns its time.
      model.transfers([], (await submit([], null)).now);
      const expected = new Map(
        [...model.accounts].map(([id, { debits, credits, debitsHeld, creditsHeld }]) => [
          id,
          [debits, credits, debitsHeld, creditsHeld],
        ]),
      );
      expect(await balancesOf(model)).toEqual(expected);
    }

    // The world was rich enough to mean something.
    expect(seen.get("ok")).toBeGreaterThan(ROUNDS * 3);
    expect(seen.size).toBeGreaterThan(18);
    expect(proxy.cuts["before-commit"] + proxy.cuts["after-commit"]).toBeGreaterThan(3);
    if (aheadWeight === 1) expect(ahead).toBeGreaterThan(ROUNDS);
    else expect(ahead).toBe(0);
    const written = await books.asOwner("SELECT id, seq FROM transfer WHERE phase <> 'expire'");
    expect(new Map(written.map(({ id, seq }) => [id, seq]))).toEqual(promised);
    const open = [...model.holds.values()].filter(({ state }) => state === "pending");
    const [{ n }] = (await books.asOwner("SELECT count(*) AS n FROM hold")) as [{ n: number }];
    expect(n).toBe(open.length);
    await expectCoherent(books);
  },
);
