/**
 * How Postgres runs each statement of a batch, those inside the triggers too: as
 * auto_explain reports it of the writer at work, kept in docs/statements.md. A
 * plan that changes changes that page (`npx vitest run test/ledger/plans.test.ts
 * -u`), and no table that grows is ever scanned.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startPostgres } from "#devstack";
import { createClient, silentLog } from "#infra";
import { systemIds } from "#kernel";
import { type Ledger, openLedger, type TransferRequest } from "#ledger";
import { LEDGER_SCHEMA, migrate } from "../../src/migrate.ts";
import { newAccount, readsOf, transfer } from "../support/ledger.ts";

/** Of one row each, or a handful. */
const SMALL_TABLES = new Set(["journal_head", "ledger_identity"]);
const ROUNDS = 60;
const SQL_FOLDER = new URL("../../src/ledger/sql/", import.meta.url);

const folder = mkdtempSync(join(tmpdir(), "anchorbook-plans-"));
const log = silentLog();
let postgres: EmbeddedPostgres;
let ledger: Ledger;

beforeAll(async () => {
  postgres = await startPostgres({
    ...{ folder, log, durable: false },
    settings: {
      session_preload_libraries: "auto_explain",
      "auto_explain.log_min_duration": "0",
      "auto_explain.log_nested_statements": "on",
      "auto_explain.log_parameter_max_length": "0",
    },
  });
  const { ownerUrl, appUrl: databaseUrl } = postgres;
  await migrate({ ownerUrl, appUrl: databaseUrl, schema: LEDGER_SCHEMA }, log);
  const admin = createClient({
    url: postgres.url("admin", new URL(ownerUrl).pathname.slice(1)),
    ...{ schema: LEDGER_SCHEMA, applicationName: "test" },
  });
  await admin.connect();
  await admin.query("SELECT create_asset('USD', 2::smallint, true, true, NULL, 0)");
  await admin.end();
  ledger = await openLedger({ databaseUrl, schema: LEDGER_SCHEMA, ids: systemIds, log });
});
afterAll(async () => {
  await ledger?.close();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Every kind of effect that a unit of the core can have. */
async function work(): Promise<void> {
  const accounts = Array.from({ length: 40 }, () => randomUUID() as string);
  const any = () => accounts[Math.floor(Math.random() * (accounts.length - 1))] ?? "";
  const pair = (): [string, string] => {
    const [from, to] = [any(), any()];
    return from === to ? pair() : [from, to];
  };
  const submit = (requests: readonly TransferRequest[], key?: string) =>
    ledger.submit({
      ...{ name: "transfers", reads: { ...readsOf(requests), assets: ["USD"] } },
      ...(key ? { idempotency: { principal: "p", key, fingerprint: "00".repeat(32) } } : {}),
      decide: (view) => view.tryTransfers(requests).map(({ code }) => code),
    });
  await ledger.submit({
    ...{ name: "open", reads: { accounts, assets: ["USD"] } },
    decide(view) {
      for (const id of accounts)
        view.openAccountWithId(newAccount({ id, asset: "USD", createdAt: view.now }));
      return null;
    },
  });
  const holds: TransferRequest[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pending = transfer(...pair(), 1n, { phase: "pending", timeoutSeconds: 86_400 });
    const earlier = holds.shift();
    holds.push(pending);
    await Promise.all([
      submit([transfer(...pair(), 1n)]),
      submit([transfer(...pair(), 1n)], randomUUID()),
      submit([transfer(randomUUID(), any(), 1n)]),
      submit([pending]),
      ...(earlier ? [submit([{ id: randomUUID(), phase: "post", pendingId: earlier.id }])] : []),
      place(`user_${round}`),
    ]);
    await submit([transfer(...pair(), 1n)]);
  }
  const last = accounts.at(-1) ?? "";
  await ledger.submit({
    ...{ name: "close", reads: { accounts: [last] } },
    decide(view) {
      view.closeAccount(last);
      return null;
    },
  });
}

/** An owner, an account, a position, a wallet, an event. */
function place(user: string) {
  const spec = { asset: "USD", role: "available", owner: user } as const;
  const account = ledger.accountId(spec);
  return ledger.submit({
    name: "place",
    reads: { accounts: [account], positions: [account], owners: [user], assets: ["USD"] },
    decide(view) {
      view.openOwner(user, new Uint8Array(32));
      view.rememberWallet(user, new Uint8Array(20).fill(1));
      view.openAccount(spec);
      const position = { section: "balances", user, keyParts: [user] } as const;
      view.setPosition({ account, ...position, validUntil: 0, kind: 0, quantity: 0 });
      view.emit({ type: "position.placed", subject: user, data: {} });
      return null;
    },
  });
}

/** The last plan of each statement that the writer's sessions ran. */
function plansInLog(): Map<string, string> {
  const plans = new Map<string, string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    if (file.endsWith("server.log"))
      for (const entry of readFileSync(join(folder, file), "utf8").split(/^(?=\d{4}-\d\d-\d\d )/m)) {
        const found =
          /^\S+ \S+ \S+ \[\d+\] anchorbook_app@\S+ LOG:\s+duration: [\d.]+ ms\s+plan:\n([\s\S]*)$/.exec(
            entry,
          );
        const report = (found?.[1] ?? "").replace(/^\t/gm, "");
        const [, text, plan] = /^Query Text: ([\s\S]*?)\n((?:\S[^\n]*\(cost=)[\s\S]*)$/.exec(report) ?? [];
        if (text && plan) plans.set(text.trim(), plan.replace(/ {2}\(cost=[^)]*\)/g, "").trim());
      }
  return plans;
}

/** What the batch sends, by the name of its file, in the order of a batch. */
function statements(): [name: string, text: string][] {
  const order = ["take-", "read-last", "read-now", "was-", "load-", "save-"];
  return readdirSync(SQL_FOLDER)
    .filter((file) => order.some((begin) => file.startsWith(begin)))
    .sort((a, b) => order.findIndex((o) => a.startsWith(o)) - order.findIndex((o) => b.startsWith(o)))
    .map((file) => [file.replace(".sql", ""), readFileSync(new URL(file, SQL_FOLDER), "utf8").trim()]);
}

test("every statement of a batch finds its rows by key, and the page says how", async () => {
  await work();
  const plans = plansInLog();
  const sent = statements().filter(([, text]) => plans.has(text));
  expect(sent.map(([name]) => name)).toEqual(
    expect.arrayContaining(["take-head", "load-accounts", "save-transfers", "save-positions"]),
  );
  const outer = new Set(sent.map(([, text]) => text));
  const nested = [...plans].filter(
    ([text]) =>
      !outer.has(text) && /^\s*(?:WITH|UPDATE|INSERT|DELETE|SELECT)/.test(text) && /\n|WHERE/.test(text),
  );
  for (const [text, plan] of plans) {
    const scanned = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table]) => table ?? "");
    expect([text, scanned.filter((table) => !SMALL_TABLES.has(table))]).toEqual([text, []]);
  }
  await expect(page(sent, nested, plans)).toMatchFileSnapshot("../../docs/statements.md");
});

function page(
  sent: readonly [string, string][],
  nested: readonly [string, string][],
  plans: ReadonlyMap<string, string>,
): string {
  const section = (title: string, text: string, plan: string) =>
    `### ${title}\n\n\`\`\`sql\n${text}\n\`\`\`\n\n\`\`\`text\n${plan}\n\`\`\`\n`;
  const inner = nested
    .map(([text, plan]) => [text.replace(/\s+/g, " ").slice(0, 60), text, plan] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `# The statements of a batch, and how Postgres runs them

Made by \`test/ledger/plans.test.ts\`, which reads what auto_explain reports of a writer at work, and fails where a plan
is another than here. Costs and row estimates are left out: a plan is made once for a connection, before anything is
known of the batch that it will serve, and does not depend on them
([why and how](group-commit.md)). What each costs: [performance](performance.md).

## Sent by the writer

${sent.map(([name, text]) => section(name, text, plans.get(text) ?? "")).join("\n")}
## Inside functions and triggers

${inner.map(([title, text, plan]) => section(`\`${title}\` …`, text, plan)).join("\n")}`;
}
