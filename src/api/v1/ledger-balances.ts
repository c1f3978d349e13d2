/** An account's balances over time: at one time, or at the end of each of many days. */
import { z } from "zod";
import { DomainError, SECONDS_PER_DAY, toRfc3339, type UnixSeconds } from "#kernel";
import type { AccountRead, Balances, LedgerQueries } from "#ledger";
import { defineRoute, type Route } from "../route.ts";
import { amountOut, timeIn, timeOut, uuid } from "../schemas.ts";
import { READERS, readableAccount } from "./ledger-access.ts";
import { balancesOf } from "./ledger-answers.ts";
import { assetCode } from "./ledger-schemas.ts";

const MOST_DAYS = 1_000;
const DEFAULT_DAYS = 30;

const dateIn = z.iso
  .date({ error: "must be a date such as 2026-01-30" })
  .transform((text, ctx): UnixSeconds => {
    const seconds = Math.floor(Date.parse(`${text}T00:00:00Z`) / 1000);
    if (seconds < 0) ctx.addIssue({ code: "custom", message: "must not be before 1970" });
    return seconds;
  });

const balancesAnswer = z.strictObject({
  account_id: z.string(),
  asset: assetCode,
  balances: z.array(
    z.strictObject({
      day: z.iso.date(),
      at: timeOut.meta({ description: "The second at whose end these are: the day's last, or now." }),
      debits_posted: amountOut,
      credits_posted: amountOut,
      debits_pending: amountOut,
      credits_pending: amountOut,
      balance: amountOut.meta({ description: "Posted credits less posted debits." }),
    }),
  ),
});

export function accountBalancesRoute(queries: LedgerQueries): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/accounts/{id}/balances",
    summary: "An account's balances over time, by the time of effect of its lines",
    description:
      "With `at` those at the end of that second. Else those at the end of each day (UTC) from `from` to `to`, both included, oldest first; of the present day as it is now. At most 1,000 days; without `to` until today, without `from` 30 days.",
    tags: ["Ledger"],
    auth: { roles: READERS },
    params: z.strictObject({ id: uuid }),
    query: z.strictObject({ at: timeIn.optional(), from: dateIn.optional(), to: dateIn.optional() }),
    response: balancesAnswer,
    errors: ["not_found"],
    async handler({ params, query: { at, from, to }, principal }) {
      const account = await readableAccount(queries, params.id, principal);
      const now = await queries.now();
      if (at === undefined) return answer(account, await days(queries, account.id, { from, to, now }));
      if (from !== undefined || to !== undefined) throw refusal("at", "at stands alone, without from and to");
      if (at > now) throw refusal("at", "at must not be in the future");
      return answer(account, [{ at, ...(await queries.balancesAt(account.id, at)) }]);
    },
  });
}

type At = Balances & { readonly at: UnixSeconds };

async function days(
  queries: LedgerQueries,
  accountId: string,
  range: { from: UnixSeconds | undefined; to: UnixSeconds | undefined; now: UnixSeconds },
): Promise<At[]> {
  const { now } = range;
  const to = range.to ?? now - (now % SECONDS_PER_DAY);
  const from = range.from ?? Math.max(0, to - (DEFAULT_DAYS - 1) * SECONDS_PER_DAY);
  if (to > now) throw refusal("to", "to must not be in the future");
  if (from > to) throw refusal("from", "from must not be after to");
  if ((to - from) / SECONDS_PER_DAY >= MOST_DAYS)
    throw refusal("from", `from and to must be at most ${MOST_DAYS} days apart`);
  const found = await queries.balancesByDay(accountId, { from, to, now });
  return found.map(({ day, ...balances }) => ({ at: Math.min(day + SECONDS_PER_DAY - 1, now), ...balances }));
}

function answer({ id, asset, scale }: AccountRead, found: readonly At[]): z.input<typeof balancesAnswer> {
  return {
    account_id: id,
    asset,
    balances: found.map(({ at, ...balances }) => {
      const time = toRfc3339(at);
      return { day: time.slice(0, time.indexOf("T")), at: time, ...balancesOf(balances, scale) };
    }),
  };
}

function refusal(member: string, message: string): DomainError {
  return new DomainError("invalid_request", message, { details: { member } });
}
