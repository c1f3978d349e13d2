/** The statements of this module: SQL text beside the code, read once. */
import { readFileSync } from "node:fs";
import type { Pool } from "pg";

const read = (name: string) => ({
  name: `events-${name}`,
  text: readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), "utf8"),
});

export const SQL = {
  ledgerId: read("ledger-id"),
  newest: read("newest"),
  page: read("page"),
  pageOfSubject: read("page-of-subject"),
  loadWebhooks: read("load-webhooks"),
  saveWebhooks: read("save-webhooks"),
  listWebhooks: read("list-webhooks"),
  secret: read("secret"),
  deadLetters: read("dead-letters"),
  claim: read("claim"),
  recordDelivered: read("record-delivered"),
  recordFailure: read("record-failure"),
  recordDeadLetter: read("record-dead-letter"),
  hold: read("hold"),
  release: read("release"),
} as const;

/** All rows, typed by whoever wrote the statement. */
export async function rows<Row>(
  pool: Pool,
  statement: { readonly name: string; readonly text: string },
  values: readonly unknown[] = [],
): Promise<Row[]> {
  return (await pool.query({ ...statement, values: [...values] })).rows as Row[];
}
