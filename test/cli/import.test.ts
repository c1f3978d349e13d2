/** Importing and reconciling a bank's journal: over real HTTP into a real ledger. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DataSource } from "typeorm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "#cli";
import { silentLog } from "#infra";
import { systemIds } from "#kernel";
import { type Ledger, openLedger } from "#ledger";
import { createDataSource } from "../../ormconfig.ts";
import { importRoutes } from "../../src/api/v1/imports.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { makeBankJournal } from "../support/bank-journal.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { bearer } from "../support/tokens.ts";

let database: TestDatabase;
let ledger: Ledger;
let reads: DataSource;
let api: TestApi;
let folder: string;
let token: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const { appUrl, schema } = database;
  ledger = await openLedger({ databaseUrl: appUrl, schema, ids: systemIds, log: silentLog() });
  reads = await createDataSource({ url: appUrl, schema, poolSize: 3 }).initialize();
  api = await startApi(importRoutes({ ledger, database: reads }));
  folder = mkdtempSync(join(tmpdir(), "anchorbook-import-"));
  token = (await bearer("importer", "operator")).replace(/^Bearer /, "");
});

afterAll(async () => {
  await api.close();
  await reads.destroy();
  await ledger.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function cli(...args: string[]) {
  let out = "";
  let err = "";
  const io = {
    stdout: {
      write(text: string) {
        out += text;
      },
    },
    stderr: {
      write(text: string) {
        err += text;
      },
    },
    env: { ANCHORBOOK_API: api.url, ANCHORBOOK_TOKEN: token },
  } as unknown as Parameters<typeof runCli>[1];
  const code = await runCli(args, io);
  return { code, out, err, json: () => JSON.parse(out) };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("anchorbook import", () => {
  test("takes in every line, skips all of them the second time, and the books reconcile", async () => {
    const journal = makeBankJournal(40, 28);
    const path = file("whole.csv", journal.text);
    const first = await cli("import", path, "--asset", "WHOLE", "--json");
    expect(first).toMatchObject({ code: 0 });
    expect(first.json()).toEqual({ lines: journal.lines, imported: journal.lines, skipped: 0, errors: [] });
    const again = await cli("import", path, "--asset", "WHOLE", "--json");
    expect(again.json()).toEqual({ lines: journal.lines, imported: 0, skipped: journal.lines, errors: [] });
    const compared = await cli("reconcile", path, "--asset", "WHOLE", "--tolerance", "0", "--json");
    expect(compared.json()).toEqual({
      account_days: journal.accountDays,
      agree: journal.accountDays,
      differ: [],
    });
    expect(compared.code).toBe(0);
  });

  test("keeps the good lines and names the bad ones", async () => {
    const lines = makeBankJournal(3, 4).text.trimEnd().split("\n");
    lines[2] = '2;2;930101;"UNKNOWN";"VKLAD";1.00;1.00;"";;';
    lines[4] = '4;1;930231;"PRIJEM";"VKLAD";1.00;1.00;"";;';
    lines[5] = '5;1;930102;"PRIJEM";"VKLAD";1.005;1.00;"";;';
    lines[6] = "6;1;930102";
    lines[7] = '1;1;930101;"PRIJEM";"VKLAD";9.99;9.99;"";;';
    lines[8] = '8;2;930103;"VYDAJ";"VKLAD";0.00;1.00;"";;';
    const { code, json } = await cli("import", file("bad.csv", lines.join("\n")), "--asset", "BAD", "--json");
    expect(code).toBe(1);
    expect(json()).toEqual({
      lines: 12,
      imported: 6,
      skipped: 0,
      errors: [
        { line: 3, reason: 'type "UNKNOWN" is none of PRIJEM, VYDAJ, VYBER' },
        { line: 5, reason: 'date "930231" is not a date YYMMDD' },
        { line: 6, reason: "amount has more than 2 decimals" },
        { line: 7, reason: "has 3 columns, not all that the head line names" },
        { line: 8, reason: "exists_with_different_amount" },
        { line: 9, reason: "amount_must_not_be_zero" },
      ],
    });
  });

  test("goes on after kill -9 without doubling", async () => {
    const journal = makeBankJournal(120, 28);
    const path = file("killed.csv", journal.text);
    const child = spawn(process.execPath, ["src/cli/main.ts", "import", path, "--asset", "KILLED"], {
      env: { ...process.env, ANCHORBOOK_API: api.url, ANCHORBOOK_TOKEN: token },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    child.stderr.once("data", () => child.kill("SIGKILL"));
    expect(await ended).toBe("SIGKILL");
    const report = (await cli("import", path, "--asset", "KILLED", "--json")).json();
    expect(report.errors).toEqual([]);
    expect(report.imported + report.skipped).toBe(journal.lines);
    expect(report.skipped).toBeGreaterThan(0);
    const compared = (await cli("reconcile", path, "--asset", "KILLED", "--tolerance", "0", "--json")).json();
    expect(compared.differ).toEqual([]);
  });

  test("says what is wrong with a file that is no journal, and with a call that is none", async () => {
    const head = await cli("import", file("head.csv", "a;b;c\n1;2;3\n"));
    expect(head.code).toBe(1);
    expect(head.err).toContain("is no bank journal: its first line must name trans_id, account_id");
    expect((await cli("import")).code).toBe(2);
    expect((await cli("import", "x.csv", "--scale", "many")).code).toBe(2);
    for (const command of ["import", "reconcile"])
      expect(await cli(command, join(folder, "missing.csv"))).toMatchObject({ code: 2, out: "" });
  });
});

test("an asset that a program or a supply cap binds takes no import, and nobody else's request suffers", async () => {
  const entries = [{ line: 1, id: "1", account: "1", date: "1993-01-01", direction: "credit", amount: "1" }];
  const response = await fetch(`${api.url}/api/v1/admin/imports`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ asset: "TST", entries }),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: "invalid_request", details: [{ member: "asset" }] });
});

describe("anchorbook reconcile", () => {
  test("lists each account-day that differs by more than the tolerance", async () => {
    const journal = makeBankJournal(2, 3);
    await cli("import", file("right.csv", journal.text), "--asset", "DIFFER");
    const lines = journal.text.trimEnd().split("\n");
    // Account 1 on the second day: 2.03 in the ledger.
    lines[3] = lines[3]?.replace(/;2\.03;/, ";2.63;") ?? "";
    const path = file("differs.csv", lines.join("\n"));
    const strict = await cli("reconcile", path, "--asset", "DIFFER", "--json");
    expect(strict.code).toBe(1);
    expect(strict.json()).toEqual({
      account_days: 6,
      agree: 5,
      differ: [{ account: "1", date: "1993-01-02", statement: "2.63", ledger: "2.03" }],
    });
    expect((await cli("reconcile", path, "--asset", "DIFFER", "--tolerance", "0.60")).code).toBe(0);
  });
});
