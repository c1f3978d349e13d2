/**
 * A small world for settlement tests, all of it real: a migrated Postgres, the
 * ledger's writer, an anvil of its own with deployed contracts, and users who
 * hold and lock TST by units of work as programs write them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pool } from "pg";
import {
  type Chain,
  connectChain,
  createClient,
  createPool,
  type DeploymentRecord,
  type DeployOptions,
  deployContracts,
  silentLog,
} from "#infra";
import { systemClock, systemIds } from "#kernel";
import { type Ledger, openLedger } from "#ledger";
import type { Section } from "#proof";
import {
  createLogSigner,
  openSettlement,
  type PositionName,
  type Settlement,
  type SettlementOptions,
} from "#settlement";
import { startAnvil } from "../support/anvil.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

export const TST = 10n ** 18n;
/** Of the log `log.example/test`. */
export const TEST_LOG_SIGNER = createLogSigner("log.example/test", new Uint8Array(32).fill(7));
export const SUPPLY = 1_000_000n * TST;
/** 2030-01-01. */
export const UNTIL = 1_893_456_000;

export interface TestChain {
  readonly rpcUrl: string;
  readonly privateKeys: readonly string[];
  stop(): Promise<void>;
}

export interface World {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly anvil: TestChain;
  readonly chain: Chain;
  readonly record: DeploymentRecord;
  /** Where epochs are published. */
  readonly folder: string;
  /** One instance; `open` makes more on the same database. */
  readonly settlement: Settlement;
  open(overrides?: Partial<SettlementOptions>): Promise<Settlement>;
  grant(user: string, amount: bigint): Promise<void>;
  lock(user: string, agreement: string, amount: bigint): Promise<void>;
  release(user: string, agreement: string, amount: bigint): Promise<void>;
  stake(user: string, strategy: string, amount: bigint): Promise<void>;
  position(section: Section, ...keyParts: [string, ...string[]]): PositionName;
  close(): Promise<void>;
}

/**
 * @param startChain another chain than a fresh one without state
 * @param deploy what the contracts are deployed with: by default no window and no attesters
 */
export async function createWorld(
  startChain: () => Promise<TestChain> = startAnvil,
  deploy: Partial<DeployOptions> = {},
): Promise<World> {
  const ends: (() => unknown)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    return { ...(await openWorld(startChain, deploy, ends)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openWorld(
  startChain: () => Promise<TestChain>,
  deploy: Partial<DeployOptions>,
  ends: (() => unknown)[],
): Promise<Omit<World, "close">> {
  const database = await createTestDatabase();
  ends.push(() => database.drop());
  const anvil = await startChain();
  ends.push(() => anvil.stop());
  const log = silentLog();
  await ensureAsset(database);
  const { appUrl, schema } = database;
  const pool = createPool({ url: appUrl, schema, applicationName: "settlement-test", max: 8, log });
  ends.push(() => pool.end());
  const ledger = await openLedger({ databaseUrl: appUrl, schema, ids: systemIds, log });
  ends.push(() => ledger.close());
  const chain = await connectChain({
    ...{ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0], chainId: 31_337n },
  });
  ends.push(() => chain.close());
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [], ...deploy });
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-settlement-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const open = (overrides: Partial<SettlementOptions> = {}) =>
    openSettlement({
      ...{
        pool,
        asset: "TST",
        chain,
        record,
        publishedFolder: folder,
        logSigner: TEST_LOG_SIGNER,
        clock: systemClock,
        log,
      },
      ...overrides,
    });
  const users = new Users(ledger);
  await users.genesis();
  return {
    ...{ database, pool, ledger, anvil, chain, record, folder },
    settlement: await open(),
    open,
    grant: (user, amount) => users.grant(user, amount),
    lock: (user, agreement, amount) => users.hold("locks", user, agreement, amount),
    stake: (user, strategy, amount) => users.hold("stakes", user, strategy, amount),
    release: (user, agreement, amount) => users.release(user, agreement, amount),
    position: (section, ...keyParts) => users.position(section, keyParts),
  };
}

const ROLES = { balances: "available", locks: "locked", stakes: "staked" } as const;

class Users {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  position(section: Section, keyParts: [string, ...string[]]): PositionName {
    const [userId, reference] = keyParts;
    const role = section === "locks" || section === "stakes" ? ROLES[section] : "available";
    const accountId =
      userId === "@treasury"
        ? this.#ledger.accountId({ asset: "TST", role: "treasury", owner: null })
        : this.#ledger.accountId({ asset: "TST", role, owner: userId, reference: reference ?? null });
    return { accountId, userId, keyParts };
  }

  async genesis(): Promise<void> {
    const [id, salt] = [systemIds.uuid(), systemIds.bytes(32)];
    await this.#ledger.submit({
      name: "test.genesis",
      decide: (view) => {
        const custody = view.openAccount({ asset: "TST", role: "custody", owner: null });
        const treasury = view.openAccount({ asset: "TST", role: "treasury", owner: null });
        view.openOwner("@treasury", salt);
        view.move({ id, debitAccount: custody, creditAccount: treasury, amount: SUPPLY, code: "genesis" });
        view.setPosition({ ...balanceOf(treasury), user: "@treasury", keyParts: ["@treasury"] });
        return null;
      },
    });
  }

  async grant(user: string, amount: bigint): Promise<void> {
    const [id, salt] = [systemIds.uuid(), systemIds.bytes(32)];
    await this.#ledger.submit({
      name: "test.grant",
      decide: (view) => {
        const treasury = view.openAccount({ asset: "TST", role: "treasury", owner: null });
        const available = view.openAccount({ asset: "TST", role: "available", owner: user });
        view.openOwner(user, salt);
        view.move({ id, debitAccount: treasury, creditAccount: available, amount, code: "grant" });
        view.setPosition({ ...balanceOf(available), user, keyParts: [user] });
        return null;
      },
    });
  }

  async hold(section: "locks" | "stakes", user: string, reference: string, amount: bigint): Promise<void> {
    const id = systemIds.uuid();
    await this.#ledger.submit({
      name: `test.${section}`,
      decide: (view) => {
        const available = view.openAccount({ asset: "TST", role: "available", owner: user });
        const held = view.openAccount({ asset: "TST", role: ROLES[section], owner: user, reference });
        view.move({ id, debitAccount: available, creditAccount: held, amount, code: section });
        view.setPosition({
          ...{ account: held, section, user, keyParts: [user, reference] },
          ...{ validUntil: UNTIL, kind: 2, quantity: 0 },
        });
        return null;
      },
    });
  }

  async release(user: string, agreement: string, amount: bigint): Promise<void> {
    const id = systemIds.uuid();
    await this.#ledger.submit({
      name: "test.release",
      decide: (view) => {
        const available = view.openAccount({ asset: "TST", role: "available", owner: user });
        const held = view.openAccount({ asset: "TST", role: "locked", owner: user, reference: agreement });
        view.move({ id, debitAccount: held, creditAccount: available, amount, code: "release" });
        return null;
      },
    });
  }
}

function balanceOf(account: string) {
  return { account, section: "balances", validUntil: 0, kind: 0, quantity: 0 } as const;
}

/** TST, where the migrations of the programs have not made it. */
async function ensureAsset(database: TestDatabase): Promise<void> {
  const owner = createClient({
    url: database.ownerUrl,
    schema: database.schema,
    applicationName: "settlement-test",
  });
  await owner.connect();
  try {
    const { rows } = await owner.query("SELECT 1 FROM asset WHERE code = 'TST'");
    if (rows.length === 0)
      await owner.query("SELECT create_asset('TST', 18::smallint, false, false, $1, 0)", [SUPPLY]);
  } finally {
    await owner.end();
  }
}
