/**
 * A process with a writer of its own on a ledger that others write to at the
 * same time; for the tests of several processes. It is told what to do by its
 * argument, JSON of `ChildWork`, and says by a message what was answered.
 */
import { randomUUID } from "node:crypto";
import { createClient, silentLog } from "#infra";
import { systemIds } from "#kernel";
import { type Json, type Ledger, openLedger, type TransferRequest, type Unit } from "#ledger";
import { readsOf, transfer } from "../support/ledger.ts";

export interface ChildWork {
  readonly databaseUrl: string;
  readonly schema: string;
  /** `stall`: takes the head and says so, and is left to be stopped by a signal. */
  readonly task: "load" | "stall";
  /** Accounts without a limit. */
  readonly accounts: readonly string[];
  /** Holds less than all processes together ask of it. */
  readonly purse: string;
  /** Transfers that every process sends. */
  readonly shared: readonly SharedTransfer[];
  /** Keys under which every process sends another transfer: only one of them may act. */
  readonly keys: readonly string[];
  /** Users whose account, salt and position every process wants to be the first to open. */
  readonly users: readonly string[];
}

export interface SharedTransfer {
  readonly id: string;
  readonly debitAccount: string;
  readonly creditAccount: string;
}

export interface ChildReport {
  /** Codes of the shared transfers, in their order. */
  readonly shared: readonly string[];
  /** What the keys answered, in their order. */
  readonly keyed: readonly string[];
  /** How many units of 1 it took from the purse. */
  readonly spent: number;
  /** Accounts of the users, in their order. */
  readonly opened: readonly string[];
  /** Units whose answer was none that a request may get. */
  readonly refused: readonly string[];
  readonly lines: number;
}

/** Units that wait at the same time. */
const CLIENTS = 500;
const PRIVATE_UNITS = 1_200;
const SPENDS = 100;

const work = JSON.parse(process.argv[2] ?? "{}") as ChildWork;
if (work.task === "stall") await stall();
else process.send?.(await load());
process.disconnect();

async function stall(): Promise<void> {
  const { databaseUrl: url, schema } = work;
  const client = createClient({ url, schema, applicationName: "stalled" });
  client.on("error", () => {});
  await client.connect();
  await client.query("BEGIN");
  await client.query("SELECT take_head()");
  process.send?.("stalled");
  // Nothing ever answers: the process keeps its transaction open until somebody ends one of them.
  await new Promise<void>((done) => client.on("end", () => done()));
}

async function load(): Promise<ChildReport> {
  const { databaseUrl, schema } = work;
  let lines = 0;
  const ledger = await openLedger({
    ...{ databaseUrl, schema, ids: systemIds, log: silentLog() },
    limits: { batchWeight: 150, aheadWeight: 20, patienceMs: 20_000 },
    onBatch: (batch) => {
      lines += batch.lines;
    },
  });
  const refused: string[] = [];
  const report = { shared: [] as string[], keyed: [] as string[], opened: [] as string[], spent: 0 };
  const tasks: (() => Promise<void>)[] = [
    ...work.shared.map((one, place) => async () => {
      report.shared[place] = (await send(ledger, [{ ...one, amount: 1n }])).join();
    }),
    ...work.keys.map((key, place) => async () => {
      report.keyed[place] = (await ledger.submit(keyedUnit(key))).value;
    }),
    ...work.users.map((user, place) => async () => {
      report.opened[place] = (await ledger.submit(openingUnit(user))).value;
    }),
    ...Array.from({ length: SPENDS }, () => async () => {
      const [code] = await send(ledger, [transfer(work.purse, work.accounts[0] ?? "", 1n)]);
      if (code === "ok") report.spent += 1;
      else if (code !== "exceeds_credits") refused.push(String(code));
    }),
    ...Array.from({ length: PRIVATE_UNITS }, (_, place) => async () => {
      const codes = await send(ledger, privateRequests(place));
      if (codes.some((code) => code !== "ok")) refused.push(codes.join());
    }),
  ];
  shuffle(tasks);
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let task = tasks.pop(); task; task = tasks.pop())
        await task().catch((error: unknown) => refused.push(String(error)));
    }),
  );
  await ledger.close();
  return { ...report, refused, lines };
}

async function send(ledger: Ledger, requests: readonly TransferRequest[]): Promise<string[]> {
  const unit: Unit<string[]> = {
    ...{ name: "child", weight: requests.length, reads: readsOf(requests) },
    decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
  };
  return (await ledger.submit(unit)).value;
}

/** A single transfer, a chain, or a hold with its post, between accounts that all processes use. */
function privateRequests(place: number): TransferRequest[] {
  const [from, to] = twoAccounts();
  if (place % 4 === 0)
    return [0, 1, 2].map((leg) => ({ ...transfer(...twoAccounts(), 1n), linked: leg < 2 }));
  if (place % 4 === 1) {
    const pending = transfer(from, to, 2n, { phase: "pending", timeoutSeconds: 3_600 });
    return [pending, { id: randomUUID(), phase: place % 8 === 1 ? "post" : "void", pendingId: pending.id }];
  }
  return [transfer(from, to, 1n)];
}

function keyedUnit(key: string): Unit<string> {
  const [debitAccount, creditAccount] = twoAccounts();
  const request = { id: randomUUID(), debitAccount, creditAccount, amount: 1n };
  return {
    name: "keyed",
    idempotency: { principal: "children", key, fingerprint: "00".repeat(32) },
    decide: (view) => view.move(request).id,
  };
}

function openingUnit(user: string): Unit<string> {
  const salt = new Uint8Array(32).fill(user.length);
  return {
    name: "opening",
    decide(view) {
      const account = view.openAccount({ asset: "USD", role: "available", owner: user });
      view.openOwner(user, salt);
      const none = { validUntil: 0, kind: 0, quantity: 0 } as const;
      if (!view.position(account))
        view.setPosition({ ...none, account, section: "balances", user, keyParts: [user] });
      return account satisfies Json;
    },
  };
}

function twoAccounts(): [string, string] {
  const { accounts } = work;
  const from = Math.floor(Math.random() * accounts.length);
  const to = (from + 1 + Math.floor(Math.random() * (accounts.length - 1))) % accounts.length;
  return [accounts[from] ?? "", accounts[to] ?? ""];
}

function shuffle(items: unknown[]): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [items[at], items[other]] = [items[other], items[at]];
  }
}
