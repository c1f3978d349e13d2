/**
 * Taking in somebody else's journal, and comparing with their statement: what
 * `anchorbook import` and `anchorbook reconcile` talk to.
 */
import type { DataSource } from "typeorm";
import { z } from "zod";
import { DomainError, formatAmount, parseAmount, toRfc3339, type UnixSeconds } from "#kernel";
import {
  createAsset,
  dayBalances,
  type ImportEntry,
  importedAccountId,
  importUnit,
  type Ledger,
} from "#ledger";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { amountIn, amountOut, text } from "../schemas.ts";

/** One request is one unit of work: a bulk slice that leaves room for interactive requests. */
const MAX_ENTRIES = 500;
const MAX_ACCOUNTS = 200;

const assetCode = z
  .string()
  .regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be 1 to 16 capital letters and digits, a letter first" });
const scale = z.int().min(0).max(38);
const day = z.iso
  .date({ error: "must be a date such as 1993-01-31" })
  .transform((date): UnixSeconds => Date.parse(`${date}T00:00:00Z`) / 1000)
  .refine((seconds) => seconds >= 0, { error: "must not be before 1970" });

const entry = z.strictObject({
  line: z
    .int()
    .min(1)
    .meta({ description: "Where the entry stands in its source; comes back with an error." }),
  id: text(100).meta({ description: "Unique within the asset's imports: the same id is taken in once." }),
  account: text(90),
  date: day,
  direction: z.enum(["credit", "debit"]),
  amount: amountIn,
  code: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, { error: "must be 1 to 64 of A-Z a-z 0-9 _ . : -" })
    .optional(),
});

const importBody = z.strictObject({
  asset: assetCode,
  scale: scale
    .optional()
    .meta({ description: "Makes the asset with this many decimals where there is none." }),
  entries: z.array(entry).min(1).max(MAX_ENTRIES),
});

const importAnswer = z.strictObject({
  lines: z.int(),
  imported: z.int(),
  skipped: z.int().meta({ description: "Taken in before, exactly so." }),
  errors: z.array(z.strictObject({ line: z.int(), reason: z.string() })),
});

export interface ImportRouteDeps {
  readonly ledger: Ledger;
  readonly database: DataSource;
}

export function importRoutes({ ledger, database }: ImportRouteDeps): Route[] {
  const importEntries = defineRoute({
    method: "post",
    path: "/api/v1/admin/imports",
    summary: "Import entries of an external journal",
    description:
      "Each entry becomes a transfer between the account it names and the import's counterparty, effective on its day. Importing the same entries again skips them.",
    tags: ["Operator"],
    auth: { roles: ["operator"] },
    body: importBody,
    response: importAnswer,
    errors: ["not_found", "invalid_amount"],
    async handler({ body, idempotency }) {
      const decimals = await scaleOf(database, body.asset, body.scale);
      const entries = body.entries.map(
        ({ date, amount, code, ...rest }, place): ImportEntry => ({
          ...rest,
          amount: parseAmount(amount, decimals, `entries.${place}.amount`),
          effectiveAt: date,
          code: code ?? "import",
        }),
      );
      return submitted(
        await ledger.submit(importUnit(ledger, body.asset, entries, idempotency)),
        (value) => value,
      );
    },
  });

  const balances = defineRoute({
    method: "post",
    path: "/api/v1/admin/imports/balances",
    summary: "End-of-day balances of imported accounts",
    description:
      "A read in the form of a POST, because it names many accounts. Only days that moved an account are listed.",
    tags: ["Operator"],
    auth: { roles: ["operator", "auditor"] },
    body: z.strictObject({ asset: assetCode, accounts: z.array(text(90)).min(1).max(MAX_ACCOUNTS) }),
    response: z.strictObject({
      accounts: z.array(
        z.strictObject({
          account: z.string(),
          days: z.array(z.strictObject({ date: z.iso.date(), balance: amountOut })),
        }),
      ),
    }),
    errors: ["not_found"],
    async handler({ body }) {
      const decimals = await scaleOf(database, body.asset, undefined);
      const names = new Map(body.accounts.map((name) => [importedAccountId(ledger, body.asset, name), name]));
      const days = new Map(body.accounts.map((name) => [name, [] as { date: string; balance: string }[]]));
      for (const { account, day: time, balance } of await dayBalances(database, [...names.keys()])) {
        const date = toRfc3339(time).slice(0, "1993-01-31".length);
        days.get(names.get(account) ?? "")?.push({ date, balance: formatAmount(balance, decimals) });
      }
      return { accounts: [...days].map(([account, list]) => ({ account, days: list })) };
    },
  });
  return [importEntries, balances];
}

/** The asset's decimals; with `wanted`, the asset is made where there is none. */
async function scaleOf(database: DataSource, code: string, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) {
    const policy = { code, scale: wanted, transferable: true, mintable: true, supplyCap: null };
    if ((await createAsset(database, policy)) !== "exists_with_different_policy") return wanted;
    throw new DomainError(
      "invalid_request",
      `${code} is there already with another scale or policy; import into another asset`,
      {
        details: [{ member: "scale", reason: "differs from the asset's" }],
      },
    );
  }
  const [known]: { scale: number }[] = await database.query("SELECT scale FROM asset WHERE code = $1", [
    code,
  ]);
  if (!known) throw new DomainError("not_found", `There is no asset ${code}`);
  return known.scale;
}
