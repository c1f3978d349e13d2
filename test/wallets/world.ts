/**
 * Wallets over real HTTP on a real database and a real chain with its contracts:
 * users who hold and lock TST, wallets that sign, a clock that can be moved. Nobody
 * follows the chain here; how far it is read is said by the test.
 */
import { type HDNodeWallet, Wallet } from "ethers";
import type { Response } from "supertest";
import type { DataSource } from "typeorm";
import { type Route, settlementRoutes, walletRoutes, withdrawalRoutes } from "#api";
import { createClient, silentLog } from "#infra";
import { systemIds } from "#kernel";
import type { ChainEvent } from "#ledger";
import { balanceAccount, TREASURY_USER } from "#programs/access";
import { type Hex, WALLET_TYPES } from "#proof";
import { onClaimed, payoutsAccount, Wallets } from "#wallets";
import { createDataSource } from "../../ormconfig.ts";
import { createWorld, type World as SettlementWorld } from "../settlement/world.ts";
import { startApi } from "../support/api-app.ts";
import { bearer } from "../support/tokens.ts";

export const DAY = 86_400;
const ASSET = { code: "TST", scale: 18 } as const;

/** JSON of many shapes; the server checks each answer against its schema. */
type Body = Response["body"];

export interface Answer {
  readonly status: number;
  readonly body: Body;
}

export interface Caller {
  readonly as?: string;
  readonly roles?: readonly string[];
  readonly key?: string;
}

/** What a wallet has to have for these tests: an address, and signatures of typed data. */
export interface Signing {
  readonly address: string;
  /** @param typed as the API gives it */
  sign(typed: Body): Promise<string>;
}

export interface WalletWorld extends Omit<SettlementWorld, "close"> {
  readonly url: string;
  readonly dataSource: DataSource;
  readonly wallets: Wallets;
  readonly routes: readonly Route[];
  /** Until when the chain was read, and whether the book is frozen: what a watcher would say. */
  readonly chainSays: { seenUntil: number | null; frozen: boolean; finalBlock?: number };
  post(path: string, body: unknown, caller?: Caller): Promise<Answer>;
  get(path: string, caller?: Caller): Promise<Answer>;
  /** A user that no other test has, with TST. */
  user(tst?: bigint): Promise<string>;
  /** Asks for the message and has it signed by all given; the body for `POST /api/v1/wallets`. */
  signed(user: string, wallet: Signing, previous?: Signing): Promise<Record<string, unknown>>;
  link(user: string, wallet: Signing, previous?: Signing): Promise<Answer>;
  rows<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** An entry of the book, for the line that its credit follows. */
  entryAt(txHash: Hex, logIndex: number): ChainEvent;
  /** Moves the ledger's time, and the chain's to the same. */
  advance(seconds: number): Promise<void>;
  /** Moves the ledger's time alone. */
  advanceLedger(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export function signing(wallet: HDNodeWallet | Wallet): Signing {
  return {
    address: wallet.address,
    sign: ({ domain, message }) =>
      wallet.signTypedData(domain, { LinkWallet: [...WALLET_TYPES.LinkWallet] }, message),
  };
}

export function newWallet(): Signing & { readonly signer: HDNodeWallet } {
  const signer = Wallet.createRandom();
  return { ...signing(signer), signer };
}

export async function createWalletWorld(): Promise<WalletWorld> {
  const world = await createWorld();
  const ends: (() => unknown)[] = [() => world.close()];
  const close = async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    return { ...(await open(world, ends)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(world: SettlementWorld, ends: (() => unknown)[]): Promise<Omit<WalletWorld, "close">> {
  const { database, ledger, chain, settlement } = world;
  const dataSource = await createDataSource({ url: database.appUrl, schema: database.schema }).initialize();
  ends.push(() => dataSource.destroy());
  const owner = createClient({ url: database.ownerUrl, schema: database.schema, applicationName: "clock" });
  await owner.connect();
  ends.push(() => owner.end());
  const chainSays: WalletWorld["chainSays"] = { seenUntil: null, frozen: false };
  const wallets = new Wallets({
    ...{ ledger, dataSource, asset: ASSET.code, settlement, chain, ids: systemIds, log: silentLog() },
    balanceAccountOf: balanceAccount,
    chainSeenUntil: async () => chainSays.seenUntil,
    finalBlock: async () => chainSays.finalBlock ?? chain.provider.getBlockNumber(),
    isFrozen: async () => chainSays.frozen,
  });
  const routes = [
    ...walletRoutes({ wallets, settlement, treasuryUser: TREASURY_USER, asset: ASSET }),
    ...withdrawalRoutes({ wallets }),
    ...settlementRoutes({
      ...{ settlement, ledger, publicRpcUrl: null },
      findPosition: async (section, id) => (section === "payouts" ? wallets.payoutsOf(id) : null),
    }),
  ];
  const api = await startApi(routes);
  ends.push(() => api.close());

  const send = async (method: string, path: string, body: unknown, caller: Caller): Promise<Answer> => {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (caller.as !== undefined) headers.authorization = bearer(caller.as, ...(caller.roles ?? []));
    if (caller.key !== undefined) headers["idempotency-key"] = caller.key;
    const response = await fetch(`${api.url}${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const post: WalletWorld["post"] = (path, body, caller = {}) => send("POST", path, body, caller);
  const signed: WalletWorld["signed"] = async (user, wallet, previous) => {
    const { body } = await post("/api/v1/wallets/message", { wallet: wallet.address }, { as: user });
    const { message } = body.typed_data;
    return {
      ...{ wallet: wallet.address, number: Number(message.number), deadline: Number(message.deadline) },
      signature: await wallet.sign(body.typed_data),
      ...(previous && { previous_signature: await previous.sign(body.typed_data) }),
    };
  };
  const advanceLedger = async (seconds: number): Promise<void> => {
    await owner.query("SELECT advance_clock($1)", [seconds]);
  };
  let users = 0;
  return {
    ...world,
    ...{ url: api.url, dataSource, wallets, routes, chainSays, post, signed },
    get: (path, caller = {}) => send("GET", path, undefined, caller),
    user: async (tst = 0n) => {
      users += 1;
      const name = `user-${users}`;
      if (tst > 0n) await world.grant(name, tst * 10n ** 18n);
      return name;
    },
    link: async (user, wallet, previous) =>
      post("/api/v1/wallets", await signed(user, wallet, previous), { as: user }),
    rows: (sql, parameters = []) => dataSource.query(sql, parameters),
    entryAt: (txHash, logIndex) => ({
      ...{ chainId: world.record.chain_id, registry: world.record.registry.toLowerCase() as Hex },
      ...{ txHash, logIndex, block: 1, event: "EntryMade" },
    }),
    advanceLedger,
    advance: async (seconds) => {
      await advanceLedger(seconds);
      const [{ now }] = (await owner.query("SELECT ledger_now() AS now")).rows;
      await chain.provider.send("evm_setNextBlockTimestamp", [now]);
      await chain.provider.send("evm_mine", []);
    },
  };
}

/** The key that a user's messages name. */
export async function keyOf(world: WalletWorld, user: string): Promise<Hex> {
  const { body } = await world.post("/api/v1/wallets/message", { wallet: newWallet().address }, { as: user });
  return body.typed_data.message.user;
}

/** What the watcher does when it has seen a claim. */
export async function claimSeen(
  { ledger }: Pick<WalletWorld, "ledger">,
  user: string,
  wallet: string,
  amount: bigint,
  total: bigint,
): Promise<void> {
  const id = systemIds.uuid();
  await ledger.submit({
    name: "test.claimed",
    decide: (view) => {
      view.move({
        ...{ id, amount, code: "withdrawal_claimed" },
        debitAccount: view.openAccount(payoutsAccount(user, "TST")),
        creditAccount: view.openAccount({ asset: "TST", role: "custody", owner: null }),
      });
      onClaimed(view, { asset: "TST", user, owner: wallet.toLowerCase() as Hex, amount, total });
      return null;
    },
  });
}
