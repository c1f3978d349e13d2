/**
 * Writes migrations/schema.sql: what the migrations make of an empty database,
 * read back from its catalog. With `--check` nothing is written, and a file that
 * says something else is a failure: a migration changes the schema on purpose,
 * and the change is read in the diff.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "#devstack";
import { createClient, silentLog } from "#infra";
import { LEDGER_SCHEMA, migrate } from "../src/migrate.ts";

const FILE = new URL("../migrations/schema.sql", import.meta.url);
const CATALOG = readFileSync(new URL("./schema-catalog.sql", import.meta.url), "utf8");

const folder = mkdtempSync(join(tmpdir(), "anchorbook-schema-"));
try {
  const schema = await dumpSchema();
  if (!process.argv.includes("--check")) writeFileSync(FILE, schema);
  else if (readFileSync(FILE, "utf8") !== schema) {
    process.stderr.write("migrations/schema.sql is not what the migrations make. Run: npm run generate\n");
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function dumpSchema(): Promise<string> {
  const postgres = await startPostgres({
    folder: join(folder, "postgres"),
    log: silentLog(),
    durable: false,
  });
  try {
    const [ownerUrl, appUrl] = [postgres.ownerUrl, postgres.appUrl];
    await migrate({ ownerUrl, appUrl, schema: LEDGER_SCHEMA }, silentLog());
    const client = createClient({ url: ownerUrl, schema: LEDGER_SCHEMA, applicationName: "dump-schema" });
    await client.connect();
    try {
      const { rows } = await client.query<{ text: string }>(CATALOG, [LEDGER_SCHEMA]);
      const head = "-- What the migrations make of an empty database. Generated: npm run generate\n";
      return `${[head, ...rows.map(({ text }) => `${text.trimEnd()}\n`)].join("\n")}`;
    } finally {
      await client.end();
    }
  } finally {
    await postgres.stop();
  }
}
