/**
 * The ledger that a seed starts from: assets, accounts, the first movement of
 * TST, and a clock set to the same moment for every run. Made by a writer of the
 * simulator's own, which is closed before anything goes wrong.
 */
import { createMetrics, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { type Ledger, openAsset, openLedger } from "#ledger";
import { createAccess } from "#programs/access";
import { createQuota } from "#quota";
import { createDataSource } from "../../ormconfig.ts";
import type { Random } from "../support/random.ts";
import type { TestDatabase } from "../support/template-database.ts";
import type { Books } from "./books.ts";
import { Model } from "./model/model.ts";
import type { ModelAccount } from "./model/model-ledger.ts";
import { randomWorld, type WorldAccount } from "./random-transfers.ts";

/** 2030-03-17T17:46:40Z, some hours before midnight. */
const START = 1_900_000_000;

export interface World {
  readonly model: Model;
  readonly accounts: readonly WorldAccount[];
  readonly startedAt: number;
}

export async function createWorld(database: TestDatabase, books: Books, random: Random): Promise<World> {
  await books.advance(START - (await books.now()));
  const { appUrl: databaseUrl, schema } = database;
  const log = silentLog();
  const ledger = await openLedger({ databaseUrl, schema, ids: systemIds, log });
  const dataSource = await createDataSource({ url: databaseUrl, schema, poolSize: 2 }).initialize();
  const policy = { scale: 2, transferable: true, mintable: true, supplyCap: null };
  await openAsset(ledger, dataSource, { ...policy, code: "USD" });
  await books.rows("SELECT create_asset('CAP', 0::smallint, true, true, 500, 0)");
  const quota = await createQuota({
    ...{ ledger, redis: null, dataSource, log, clock: systemClock, metrics: createMetrics() },
  });
  const settlementOf = async () => new Map();
  await (
    await createAccess({ ledger, quota, dataSource, settlementOf, ids: systemIds, log })
  ).ensureGenesis();
  const accounts = randomWorld(random);
  await openAll(ledger, accounts);
  await ledger.close();
  await quota.close();
  await dataSource.destroy();

  const model = new Model((spec) => ledger.accountId(spec));
  model.ledger.assets.set("USD", { program: false, capped: false });
  model.ledger.assets.set("CAP", { program: false, capped: true });
  model.ledger.assets.set("TST", { program: true, capped: true });
  model.access.scales.set("USD", 2);
  await learnAccounts(books, model);
  await books.tail([]);
  const system: WorldAccount[] = (["issuance", "treasury", "custody", "revenue"] as const).flatMap((role) => {
    const id = ledger.accountId({ asset: "USD", role, owner: null });
    const account = model.ledger.accounts.get(id);
    return account ? [[id, account] as const] : [];
  });
  const foreign: WorldAccount[] = ["anna", "ben"].map((owner) => {
    const kind = { asset: "TST", role: "available", owner } as const;
    return [ledger.accountId(kind), { ...kind, debitAllowance: 0n, creditAllowance: null }];
  });
  return { model, accounts: [...accounts, ...system, ...foreign], startedAt: START };
}

async function openAll(ledger: Ledger, accounts: readonly WorldAccount[]): Promise<void> {
  await ledger.submit({
    name: "open",
    decide: (view) => {
      for (const [id, account] of accounts)
        view.openAccountWithId({
          ...{ id, reference: null, closed: false, exitDemanded: false, createdAt: view.now },
          ...{ debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n },
          ...{ ...account, metadata: account.metadata ?? null },
        });
      return null;
    },
  });
}

/** The first balances, as they are: from here on the model is told nothing but requests. */
async function learnAccounts(books: Books, model: Model): Promise<void> {
  const rows = await books.rows(
    `SELECT id, asset, role, owner, reference, debit_allowance AS "debitAllowance", credit_allowance AS "creditAllowance",
       metadata, closed, debits_posted AS debits, credits_posted AS credits, 0::numeric AS "debitsHeld", 0::numeric AS "creditsHeld"
     FROM account`,
  );
  for (const { id, ...account } of rows)
    model.ledger.accounts.set(id as string, account as unknown as ModelAccount);
  const positions = await books.rows(
    `SELECT account, section, valid_until AS "validUntil", kind, quantity FROM position`,
  );
  for (const { account, ...position } of positions)
    model.access.positions.set(account as string, position as never);
}
