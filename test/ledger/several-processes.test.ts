/**
 * Several processes write to one ledger at once: the head is taken first, so
 * they cannot deadlock or meet on a unique key, and one that stalls with the
 * head in its hand does not stop the others.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DomainError } from "#kernel";
import { expectCoherent } from "../support/coherence.ts";
import { connect, openTestLedger, startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { startWireTap } from "../support/wire-tap.ts";
import type { ChildReport, ChildWork } from "./writer-child.ts";

const PROCESSES = 3;
const FUNDS = 150;
/** Somebody else wrote since a batch was decided (and what was sent with it is ignored): it is decided again under the head. */
const NOT_MINE_ANY_MORE: ReadonlySet<string> = new Set(["AB013", "25P02"]);
const SCRIPT = new URL("writer-child.ts", import.meta.url);

let books: TestLedger;
let accounts: string[];
let purse: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  books = await startLedger();
  accounts = await Promise.all(Array.from({ length: 12 }, () => books.open()));
  purse = await books.open({ debitAllowance: 0n });
  await books.send(transfer(accounts[0] ?? "", purse, BigInt(FUNDS)));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await expectCoherent(books);
  await books.close();
});

function startChild(work: Partial<ChildWork>): ChildProcess {
  const { appUrl: databaseUrl, schema } = books.database;
  const none: ChildWork = {
    ...{ databaseUrl, schema, accounts, purse, task: "load" },
    ...{ shared: [], keys: [], users: [] },
  };
  const child = fork(SCRIPT, [JSON.stringify({ ...none, ...work })], { stdio: "inherit" });
  children.push(child);
  return child;
}

async function firstMessage<T>(child: ChildProcess): Promise<T> {
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the child ended with ${code ?? signal} before it said anything`);
  });
  const [message] = await Promise.race([once(child, "message"), ended]);
  return message as T;
}

test("three processes under load: no unique violation, no deadlock, no refusal, everything once", async () => {
  const tap = await startWireTap(books.database.appUrl);
  const pick = (place: number) => accounts[place % accounts.length] ?? "";
  const shared = Array.from({ length: 150 }, (_, place) => ({
    ...{ id: randomUUID(), debitAccount: pick(place), creditAccount: pick(place + 1) },
  }));
  const keys = Array.from({ length: 80 }, (_, place) => `key-${place}`);
  const users = Array.from({ length: 60 }, (_, place) => `user-${place}`);
  const reports = await Promise.all(
    Array.from({ length: PROCESSES }, () =>
      firstMessage<ChildReport>(startChild({ databaseUrl: tap.url, shared, keys, users })),
    ),
  );

  expect(reports.flatMap(({ refused }) => refused)).toEqual([]);
  // Nor was anything refused by the database and done again in silence.
  expect(tap.errors.filter((state) => !NOT_MINE_ANY_MORE.has(state))).toEqual([]);
  expect(reports.every(({ lines }) => lines > 100)).toBe(true);
  for (const place of shared.keys())
    expect(reports.map((report) => report.shared[place]).sort()).toEqual(["exists", "exists", "ok"]);
  for (const place of keys.keys())
    expect(new Set(reports.map((report) => report.keyed[place])).size, `key ${place}`).toBe(1);
  for (const [place, user] of users.entries()) {
    const account = books.ledger.accountId({ asset: "USD", role: "available", owner: user });
    expect(reports.map((report) => report.opened[place])).toEqual([account, account, account]);
  }
  expect(reports.reduce((sum, { spent }) => sum + spent, 0)).toBe(FUNDS);
  const [stats] = await books.asOwner(
    "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
  );
  expect(stats).toEqual({ deadlocks: 0 });
  await tap.close();
});

test("a process that is stopped with the head in its hand holds the others up for two seconds, not for good", async () => {
  const child = startChild({ task: "stall" });
  expect(await firstMessage<string>(child)).toBe("stalled");
  child.kill("SIGSTOP");
  const holders = () =>
    books.asOwner(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'stalled' AND datname = current_database()",
    );
  expect(await holders()).toHaveLength(1);
  const waiting = Array.from({ length: 20 }, () =>
    books.send(transfer(accounts[0] ?? "", accounts[1] ?? "", 1n)),
  );
  expect(new Set((await Promise.all(waiting)).flat())).toEqual(new Set(["ok"]));
  // idle_in_transaction_session_timeout (2 s) ended it, before lock_timeout (5 s) gave up: that would be `unavailable`.
  expect(await holders()).toEqual([]);
});

test("one that works on with the head in its hand makes the others give up in time, and go on after it", async () => {
  const holder = await connect(books.database.adminUrl, books.database);
  const { pid } = (await holder.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0] ?? {};
  await holder.query("BEGIN");
  await holder.query("SELECT take_head()");
  // Not idle: no timeout of ours ends it.
  const busy = holder.query("SELECT pg_sleep(600)").catch((error: unknown) => error);
  const other = await openTestLedger(books.database);
  const request = transfer(accounts[0] ?? "", accounts[1] ?? "", 1n);
  const refused = await other
    .submit({ name: "waits", decide: (view) => view.tryTransfers([request])[0]?.code ?? "" })
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DomainError);
  expect(refused).toMatchObject({ code: "unavailable", retryAfterSeconds: 1 });
  const admin = await connect(books.database.adminUrl, books.database);
  await admin.query("SELECT pg_terminate_backend($1)", [pid]);
  await admin.end();
  await busy;
  expect(await books.send(request)).toEqual(["ok"]);
  await other.close();
});
