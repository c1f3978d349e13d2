/** Transfers to other ledgers of the same server: made by operators, looked at until they have arrived, and compared. */
import { z } from "zod";
import { type DepartureRead, type InterLedger, type NamedClearing, STATES } from "#inter-ledger";
import { DomainError, formatAmount, parseAmount, toRfc3339 } from "#kernel";
import type { LedgerQueries } from "#ledger";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  amountIn,
  amountOut,
  decodeCursor,
  encodeCursor,
  listOf,
  pagination,
  text,
  timeOut,
  uuid,
} from "../schemas.ts";

export interface InterLedgerDeps {
  readonly interLedger: Pick<InterLedger, "send" | "find" | "list" | "compare">;
  readonly queries: Pick<LedgerQueries, "account">;
}

const PATH = "/api/v1/ledger/inter-ledger-transfers";
const READERS = ["operator", "auditor"] as const;
const MAX_REFERENCE = 128;
const SEQ = /^\d{1,16}$/;
const tags = ["Ledger"] as const;
const ledgerName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: "must be the name of a ledger" })
  .meta({ description: "As in X-Ledger.", examples: ["north"] });
const state = z.enum(STATES).meta({
  description:
    "`pending`: held here, on its way. `posted`: credited there. `voided`: refused there, free again here.",
});

const transferOut = z.strictObject({
  id: z.string().meta({ description: "Also the id of the hold." }),
  seq: z.int().meta({ description: "Place of the hold in this ledger's journal." }),
  from_account: z.string(),
  to_ledger: z.string(),
  to_account: z.string(),
  asset: z.string(),
  amount: amountOut,
  reference: z.string().nullable(),
  state,
  arrival_id: z.string().nullable().meta({ description: "The line that credits it, in the other ledger." }),
  reason: z.string().nullable().meta({ description: "Why the other ledger refused it: a code." }),
  sent_at: timeOut,
  resolved_at: timeOut.nullable(),
});

const clearingOut = z.strictObject({
  ledger: z.string().nullable().meta({ description: "Null where it is not open in this server." }),
  ledger_id: z.string(),
  asset: z.string(),
  sent: amountOut.meta({ description: "Sent there and posted here." }),
  pending: amountOut.meta({ description: "On its way there." }),
  received: amountOut.meta({ description: "Credited here of what came from there." }),
  credited: amountOut
    .nullable()
    .meta({ description: "Credited there of what was sent, as that ledger says." }),
  difference: amountOut.nullable().meta({
    description: "0, or the books of the two contradict each other. Null where the other one is not open.",
  }),
});

export function interLedgerRoutes(deps: InterLedgerDeps): Route[] {
  return [sendRoute(deps), listRoute(deps), findRoute(deps), clearingRoute(deps)];
}

function sendRoute({ interLedger, queries }: InterLedgerDeps): Route {
  return defineRoute({
    method: "post",
    path: PATH,
    summary: "Transfer to another ledger",
    description:
      "Holds the amount here and answers. The other ledger is credited right after, exactly once, and the hold posted; where it refuses for good, the hold is voided. Both ledgers have the asset with the same code and scale, transferable and without a supply cap. The same id with the same members again answers the same.",
    tags,
    auth: { roles: ["operator"] },
    body: z.strictObject({
      id: uuid,
      from_account: uuid,
      to_ledger: ledgerName,
      to_account: uuid,
      amount: amountIn,
      reference: text(MAX_REFERENCE).optional(),
    }),
    response: z.strictObject({ id: z.string(), asset: z.string(), seq: z.int() }),
    errors: ["not_found", "invalid_amount", "insufficient_balance"],
    async handler({ body, idempotency }) {
      const account = await queries.account(body.from_account);
      if (!account)
        throw new DomainError("not_found", "There is no such account", {
          details: { member: "from_account" },
        });
      const amount = parseAmount(body.amount, account.scale, "amount");
      if (amount === 0n)
        throw new DomainError("invalid_amount", "amount must be above zero", {
          details: { member: "amount" },
        });
      const request = {
        ...{ id: body.id, fromAccount: body.from_account, toLedger: body.to_ledger },
        ...{ toAccount: body.to_account, amount, reference: body.reference ?? null, asset: account.asset },
      };
      return submitted(await interLedger.send(request, idempotency), (answer) => answer);
    },
  });
}

function listRoute({ interLedger }: InterLedgerDeps): Route {
  return defineRoute({
    method: "get",
    path: PATH,
    summary: "Transfers to other ledgers, newest first",
    tags,
    auth: { roles: READERS },
    query: z.strictObject({ state: state.optional(), ...pagination }),
    response: listOf(transferOut),
    async handler({ query: { cursor, limit, state: wanted } }) {
      const [seq] = cursor === undefined ? [] : decodeCursor(cursor, SEQ);
      const beforeSeq = seq === undefined ? null : Number.parseInt(seq, 10);
      const found = await interLedger.list({ state: wanted ?? null, beforeSeq, limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { data: page.map(answerOf), next_cursor: last ? encodeCursor(String(last.seq)) : null };
    },
  });
}

function findRoute({ interLedger }: InterLedgerDeps): Route {
  return defineRoute({
    method: "get",
    path: `${PATH}/{id}`,
    summary: "A transfer to another ledger, and how far it has come",
    tags,
    auth: { roles: READERS },
    params: z.strictObject({ id: uuid }),
    response: transferOut,
    errors: ["not_found"],
    handler: async ({ params }) => answerOf(await interLedger.find(params.id)),
  });
}

function clearingRoute({ interLedger }: InterLedgerDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/ledger/clearing",
    summary: "What lies between this ledger and others",
    description:
      "For each other ledger and asset the sums of its clearing account, compared with those of the other ledger. The comparison holds while transfers are under way, too.",
    tags,
    auth: { roles: READERS },
    response: listOf(clearingOut),
    handler: async () => ({ data: (await interLedger.compare()).map(clearingAnswer), next_cursor: null }),
  });
}

function answerOf(departure: DepartureRead): z.input<typeof transferOut> {
  const { id, seq, asset, reference, reason, resolvedAt } = departure;
  return {
    ...{ id, seq, asset, reference, reason, state: departure.state },
    from_account: departure.fromAccount,
    to_ledger: departure.toLedger,
    to_account: departure.toAccount,
    amount: formatAmount(departure.amount, departure.scale),
    arrival_id: departure.arrivalId,
    sent_at: toRfc3339(departure.sentAt),
    resolved_at: resolvedAt === null ? null : toRfc3339(resolvedAt),
  };
}

function clearingAnswer(clearing: NamedClearing): z.input<typeof clearingOut> {
  const { ledger, ledgerId, asset, scale, credited, difference } = clearing;
  return {
    ...{ ledger, ledger_id: ledgerId, asset },
    sent: formatAmount(clearing.sent, scale),
    pending: formatAmount(clearing.pending, scale),
    received: formatAmount(clearing.received, scale),
    credited: credited === null ? null : formatAmount(credited, scale),
    difference: difference === null ? null : formatAmount(difference, scale),
  };
}
