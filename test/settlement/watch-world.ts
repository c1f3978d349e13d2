/**
 * A world for the chain watcher, all of it real: the ledger with the access program, contracts on an anvil of its own, and
 * people with wallets who withdraw, claim, enter on-chain and demand to leave. How a wallet is linked is not the watcher's:
 * here a user's positions simply get one.
 */
import { Contract, HDNodeWallet, type InterfaceAbi, type Wallet } from "ethers";
import type { DataSource } from "typeorm";
import {
  contractArtifact,
  createClient,
  createMetrics,
  type createRedis,
  type DeployOptions,
  silentLog,
} from "#infra";
import { systemClock, systemIds } from "#kernel";
import type { Ledger } from "#ledger";
import { type AccessProgram, createAccess } from "#programs/access";
import { encodeStatement, type Hex, type ProofDocument, type Section, toHex } from "#proof";
import { createQuota } from "#quota";
import type {
  Cancellation,
  ChainEffects,
  ChainWatcher,
  Claim,
  PositionName,
  Settlement,
  Watching,
} from "#settlement";
import { createDataSource } from "../../ormconfig.ts";
import { startAnvil } from "../support/anvil.ts";
import { mined } from "../support/mined.ts";
import { createWorld, type TestChain, TST, type World } from "./world.ts";

export interface Person {
  readonly user: string;
  readonly wallet: Wallet | HDNodeWallet;
  readonly address: Hex;
}

export interface WatchWorld extends World {
  readonly access: AccessProgram;
  readonly dataSource: DataSource;
  readonly effects: ChainEffects;
  readonly watcher: ChainWatcher;
  /** By wallet. */
  readonly linked: ReadonlyMap<string, string>;
  readonly claims: readonly Claim[];
  readonly cancelled: readonly { key: Hex; wallet: Hex }[];
  /** Another instance, on the same database and chain. */
  watching(overrides?: Partial<Watching>): Watching;
  /** A user with a wallet that holds ether. @param known whether the ledger knows, when the wallet comes in on-chain, whose it is */
  person(user: string, known?: boolean): Promise<Person>;
  /** From the treasury into the ledger, out to the wallet by a claim. */
  withTokens(person: Person, amount: bigint): Promise<void>;
  vault(person: Person): Contract;
  contract(name: "registry" | "vault" | "escrow" | "staking" | "reserve", person: Person): Contract;
  demandExit(person: Person, section: Section, position: PositionName): Promise<void>;
  proof(section: Section, position: PositionName): Promise<ProofDocument>;
  rows<Row = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The ledger's clock and the chain's. @param chainSeconds where they are not to go the same way */
  advance(seconds: number, chainSeconds?: number): Promise<void>;
}

const PHRASE = "test test test test test test test test test test test junk";
const CONTRACTS = {
  registry: "SettlementRegistry",
  vault: "SettlementVault",
  escrow: "P2PAgreementEscrow",
  staking: "AccessTierStaking",
  reserve: "EntityComputeReserve",
} as const;

export async function createWatchWorld(
  startChain: () => Promise<TestChain> = startAnvil,
  overrides: Partial<Watching> = {},
  deploy: Partial<DeployOptions> = {},
): Promise<WatchWorld> {
  const world = await createWorld(startChain, deploy);
  const { ledger, database, chain, record } = world;
  const dataSource = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  const owner = createClient({
    url: database.ownerUrl,
    schema: database.schema,
    applicationName: "watch-test",
  });
  await owner.connect();
  const linked = new Map<string, string>();
  const claims: Claim[] = [];
  const cancelled: { key: Hex; wallet: Hex }[] = [];
  const { access, effects } = await openEffects({
    ...{ ledger, dataSource, linked },
    claimed: (claim) => claims.push(claim),
    walletCancelled: ({ key, wallet }) => cancelled.push({ key, wallet }),
  });
  const watching = (more: Partial<Watching> = {}): Watching => ({
    ...{ effects: () => effects, finality: 0, ids: systemIds, ...overrides, ...more },
  });
  const settlement: Settlement = await world.open({ watching: watching() });
  const watcher = settlement.watcher;
  if (!watcher) throw new Error("nobody watches");
  const addresses = {
    ...{ registry: record.registry, vault: record.custodians.balances, escrow: record.custodians.locks },
    ...{ staking: record.custodians.stakes, reserve: record.custodians.compute },
  };
  const contract: WatchWorld["contract"] = (name, { wallet }) =>
    new Contract(addresses[name], contractArtifact(CONTRACTS[name]).abi as unknown as InterfaceAbi, wallet);
  let people = 1;
  const self: WatchWorld = {
    ...world,
    ...{ access, dataSource, effects, settlement, watcher, linked, claims, cancelled, watching, contract },
    async person(user, known = true) {
      people += 1;
      const wallet = HDNodeWallet.fromPhrase(PHRASE, undefined, `m/44'/60'/0'/0/${people}`).connect(
        chain.provider,
      );
      const address = wallet.address.toLowerCase() as Hex;
      if (known) linked.set(address, user);
      const salt = systemIds.bytes(32);
      await ledger.submit({
        name: "test.link",
        decide(view) {
          view.openOwner(user, salt);
          view.setOwnerWallet(user, "TST", {
            wallet: Buffer.from(address.slice(2), "hex"),
            proof: encodeStatement({ kind: "reference", user: toHex(salt), number: 1n }),
          });
          return null;
        },
      });
      return { user, wallet, address };
    },
    async withTokens(person, amount) {
      const { user } = person;
      await world.grant(user, amount);
      const id = systemIds.uuid();
      await ledger.submit({
        name: "test.withdraw",
        decide(view) {
          const debitAccount = view.openAccount({ asset: "TST", role: "available", owner: user });
          const creditAccount = effects.payoutsOf(view, "TST", user);
          return view.move({ id, debitAccount, creditAccount, amount, code: "withdrawal" }).id;
        },
      });
      await settlement.run();
      const accountId = ledger.accountId({ asset: "TST", role: "payouts", owner: user });
      const { header, leaf, siblings } = await self.proof("payouts", {
        accountId,
        userId: user,
        keyParts: [user],
      });
      await mined(self.vault(person).getFunction("claim")(header.epoch, leafTuple(leaf), nodes(siblings)));
      await watcher.look();
    },
    vault: (person) => contract("vault", person),
    async demandExit(person, section, position) {
      const { leaf, siblings } = await self.proof(section, position);
      const custodian = {
        balances: "vault",
        locks: "escrow",
        stakes: "staking",
        compute: "reserve",
        payouts: "vault",
      } as const;
      const number = ["balances", "locks", "stakes", "compute"].indexOf(section);
      const demand = contract(custodian[section], person).getFunction("demandExit");
      await mined(demand(number, leafTuple(leaf), nodes(siblings)));
    },
    proof: (section, position) => settlement.proof({ section, position, epoch: null, withOpening: false }),
    rows: async <Row>(sql: string, values: unknown[] = []) =>
      (await world.pool.query(sql, values)).rows as Row[],
    async advance(seconds, chainSeconds = seconds) {
      await owner.query("SELECT advance_clock($1)", [seconds]);
      await chain.provider.send("evm_increaseTime", [chainSeconds]);
      await chain.provider.send("evm_mine", []);
    },
    async close() {
      await settlement.stop();
      await owner.end();
      await dataSource.destroy();
      await world.close();
    },
  };
  return self;
}

/** The access program, and what it and a stand-in for wallets do with what comes from the chain. */
export async function openEffects(parts: {
  readonly ledger: Ledger;
  readonly dataSource: DataSource;
  /** By wallet. */
  readonly linked: ReadonlyMap<string, string>;
  claimed?(claim: Claim): void;
  walletCancelled?(cancellation: Cancellation): void;
  /** Counters of limits; none where it is left out. */
  readonly redis?: ReturnType<typeof createRedis>;
}): Promise<{ access: AccessProgram; effects: ChainEffects }> {
  const { ledger, dataSource, linked } = parts;
  const [log, clock, ids] = [silentLog(), systemClock, systemIds];
  const quota = await createQuota({
    ledger,
    redis: parts.redis ?? null,
    dataSource,
    clock,
    log,
    metrics: createMetrics(),
  });
  const settlementOf = async () => new Map();
  const access = await createAccess({ ledger, quota, dataSource, settlementOf, ids, log });
  const effects: ChainEffects = {
    ...access.fromChain(),
    userOf: (_view, _asset, wallet) => linked.get(wallet) ?? null,
    payoutsOf(view, asset, user) {
      const account = view.openAccount({ asset, role: "payouts", owner: user });
      view.setPosition({
        ...{ account, section: "payouts", user, keyParts: [user], validUntil: 0, kind: 0, quantity: 0 },
      });
      return account;
    },
    claimed: (_view, claim) => parts.claimed?.(claim),
    walletCancelled: (_view, cancellation) => parts.walletCancelled?.(cancellation),
  };
  return { access, effects };
}

export const TOKENS = TST;

export function leafTuple({
  index,
  owner,
  key,
  amount,
  validUntil,
  kind,
  quantity,
}: ProofDocument["leaf"]): unknown[] {
  return [index, owner, key, amount, validUntil, kind, quantity];
}

export function nodes(siblings: ProofDocument["siblings"]): unknown[][] {
  return siblings.map(({ hash, sum }) => [hash, sum]);
}
