/** Fails a test whose ledger's books are not what they must be. */
import { expect } from "vitest";
import { LEDGER_RULES } from "./coherence-rules.ts";
import type { TestLedger } from "./ledger.ts";

type Ask = Pick<TestLedger, "asOwner">;

/** Fails with the name of each rule that does not hold. */
export async function expectCoherent({ asOwner }: Ask): Promise<void> {
  const broken: string[] = [];
  for (const [what, sql] of Object.entries(LEDGER_RULES)) {
    const rows = await asOwner(sql);
    if (rows.length > 0) broken.push(`${what}: ${JSON.stringify(rows.slice(0, 3), asText)}`);
  }
  expect(broken).toEqual([]);
}

function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
