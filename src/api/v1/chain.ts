/**
 * What the chain watcher has seen of the contracts: for owners who wait for an entry, for operators, and for auditors
 * who compare. Public, because all of it is on the chain; users are not named.
 */
import { z } from "zod";
import { bookEventNames, showBookEvent } from "#infra";
import { toRfc3339, type UnixSeconds } from "#kernel";
import { type Hex, toChecksumAddress } from "#proof";
import type { ChainEventView, ChainReads, DemandView, EntryView, WatcherStatus } from "#settlement";
import { defineRoute, type Route } from "../route.ts";
import {
  amountOut,
  decodeCursor,
  encodeCursor,
  hexOut,
  listOf,
  pagination,
  queryBoolean,
  timeOut,
  walletAddress,
} from "../schemas.ts";
import { assetQuery, type SettlementBooks, settlementOf } from "./settlement-books.ts";
import { addressOut, sectionName } from "./settlement-schemas.ts";

const tags = ["Settlement"] as const;
const isPublic = { public: true } as const;
const NUMBER = /^\d{1,15}$/;

const walletIn = walletAddress
  .transform((address) => address.toLowerCase() as Hex)
  .meta({ description: "Of one depositor alone." });
const eventName = z
  .string()
  .refine((name) => bookEventNames().includes(name), {
    error: `must be an event of the contracts: ${bookEventNames().join(", ")}`,
  })
  .meta({ description: "Of one kind alone, such as `EntryMade`.", enum: [...bookEventNames()] });
const seqOut = z
  .int()
  .nullable()
  .meta({ description: "Its line in the journal; null where it has none, or none yet." });

const eventOut = z
  .strictObject({
    block: z.int(),
    block_hash: hexOut,
    block_time: timeOut,
    tx_hash: hexOut,
    log_index: z.int(),
    contract: addressOut,
    event: z.string(),
    args: z.record(z.string(), z.unknown()).meta({
      description:
        "The event's arguments by name: integers as decimal text, bytes as lower-case hex, addresses with their checksum.",
    }),
    status: z.enum(["seen", "final", "lost"]).meta({
      description:
        "seen: its block may still be taken back; lost: it was final and is not on the chain any more.",
    }),
    seq: seqOut,
  })
  .meta({ id: "ChainEvent" });

const entryOut = z
  .strictObject({
    entry: z.int().meta({ description: "Its number in the book, from 1, without a gap." }),
    wallet: addressOut,
    asset: z.string(),
    amount: amountOut,
    section: sectionName.meta({ description: "What it asked for; `balances` is a deposit." }),
    status: z.enum(["seen", "final", "credited", "not_credited", "lost"]).meta({
      description: "seen: not final yet; not_credited: the book is frozen, and pays it back on-chain.",
    }),
    credited_as: z.enum(["available", "lock", "stake", "reservation", "nothing"]).nullable(),
    seq: seqOut,
    block: z.int(),
    block_time: timeOut,
    tx_hash: hexOut,
    log_index: z.int(),
  })
  .meta({ id: "ChainEntry" });

const demandOut = z
  .strictObject({
    section: sectionName,
    index: z.int(),
    key: hexOut,
    wallet: addressOut,
    asset: z.string(),
    amount: amountOut.meta({ description: "In the leaf that was demanded with." }),
    due: timeOut,
    status: z.enum(["open", "due", "swept", "served"]).meta({
      description: "swept: in the owner's payouts, and still to be served on-chain.",
    }),
    swept: amountOut.meta({ description: "Moved into the owner's payouts so far." }),
    swept_at: timeOut.nullable(),
    served_at: timeOut.nullable(),
    seq: z.int().meta({ description: "The line of the demand." }),
    block: z.int(),
    tx_hash: hexOut,
  })
  .meta({ id: "ExitDemand" });

const statusOut = z
  .strictObject({
    latest_block: z.int(),
    seen_block: z.int(),
    final_block: z.int().meta({
      description:
        "Events up to here count. While the contracts' first block is not final it is the one before it.",
    }),
    final_block_time: timeOut
      .nullable()
      .meta({ description: "Null while the contracts' first block is not final." }),
    complete_until: timeOut.nullable().meta({
      description:
        "Everything that was final by then is in the journal. Epochs are closed for 45 minutes after it. Null as above.",
    }),
    looked_at: timeOut,
    events_waiting: z.int().meta({ description: "Seen, and not final yet." }),
    events_lost: z.int().meta({ description: "Were final, and are not on the chain any more." }),
    last_entry: z.int(),
    open_demands: z.int(),
    oldest_due: timeOut.nullable(),
    frozen: z.boolean(),
  })
  .meta({ id: "ChainStatus" });

export function chainRoutes(books: SettlementBooks): Route[] {
  const chainOf = (asset: string | undefined) => settlementOf(books, asset).chain;
  return [statusRoute(chainOf), eventsRoute(chainOf), entriesRoute(chainOf), demandsRoute(chainOf)];
}

/** What was seen of an asset's book. @throws DomainError `not_found` */
type ChainOf = (asset: string | undefined) => ChainReads;

function statusRoute(chainOf: ChainOf): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/chain",
    summary: "How far the chain was followed",
    description: "Null before the first look, and in a ledger without contracts.",
    tags,
    auth: isPublic,
    query: z.strictObject(assetQuery),
    response: z.strictObject({ chain: statusOut.nullable() }),
    errors: ["not_found"],
    async handler({ query: { asset } }) {
      const status = await chainOf(asset).status();
      return { chain: status && statusAnswer(status) };
    },
  });
}

function eventsRoute(chainOf: ChainOf): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/events",
    summary: "Events of the contracts, oldest first",
    tags,
    auth: isPublic,
    query: z.strictObject({
      event: eventName.optional(),
      ...{ ...pagination, ...assetQuery },
    }),
    response: listOf(eventOut),
    errors: ["not_found"],
    async handler({ query: { event, cursor, limit, asset } }) {
      const after = cursor === undefined ? null : readPlace(cursor);
      const found = await chainOf(asset).events({ event: event ?? null, after, limit: limit + 1 });
      return pageOf(found, limit, eventAnswer, placeOf);
    },
  });
}

function entriesRoute(chainOf: ChainOf): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/entries",
    summary: "Direct on-chain entries, newest first",
    tags,
    auth: isPublic,
    query: z.strictObject({ wallet: walletIn.optional(), ...pagination, ...assetQuery }),
    response: listOf(entryOut),
    errors: ["not_found"],
    async handler({ query: { wallet, cursor, limit, asset } }) {
      const before = cursor === undefined ? null : readPlace(cursor);
      const found = await chainOf(asset).entries({ wallet: wallet ?? null, before, limit: limit + 1 });
      return pageOf(found, limit, entryAnswer, placeOf);
    },
  });
}

function demandsRoute(chainOf: ChainOf): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/demands",
    summary: "Demands to leave on-chain, newest first",
    tags,
    auth: isPublic,
    query: z.strictObject({
      open: queryBoolean
        .optional()
        .meta({ description: "Those that are not served yet, or those that are." }),
      ...{ ...pagination, ...assetQuery },
    }),
    response: listOf(demandOut),
    errors: ["not_found"],
    async handler({ query: { open, cursor, limit, asset } }) {
      const [below] = cursor === undefined ? [] : decodeCursor(cursor, NUMBER);
      const wanted = {
        open: open ?? null,
        below: below === undefined ? null : Number(below),
        limit: limit + 1,
      };
      const demands = await chainOf(asset).demands(wanted);
      return pageOf(demands, limit, demandAnswer, ({ seq }) => encodeCursor(`${seq}`));
    },
  });
}

function pageOf<View, Answer>(
  found: readonly View[],
  limit: number,
  answer: (view: View) => Answer,
  cursorOf: (view: View) => string,
): { data: Answer[]; next_cursor: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { data: page.map(answer), next_cursor: found.length > limit && last ? cursorOf(last) : null };
}

function placeOf({ block, logIndex }: { readonly block: number; readonly logIndex: number }): string {
  return encodeCursor(`${block}`, `${logIndex}`);
}

function readPlace(cursor: string): { block: number; logIndex: number } {
  const [block, logIndex] = decodeCursor(cursor, NUMBER, NUMBER);
  return { block: Number(block), logIndex: Number(logIndex) };
}

function statusAnswer(status: WatcherStatus) {
  return {
    latest_block: status.latestBlock,
    seen_block: status.seenBlock,
    final_block: status.finalBlock,
    final_block_time: status.finalTime === 0 ? null : toRfc3339(status.finalTime),
    complete_until: status.completeTime === 0 ? null : toRfc3339(status.completeTime),
    looked_at: toRfc3339(Math.floor(status.lookedAtMs / 1_000)),
    events_waiting: status.waiting,
    events_lost: status.lost,
    last_entry: status.lastEntry,
    open_demands: status.openDemands,
    oldest_due: timeOrNull(status.oldestDue),
    frozen: status.frozen,
  };
}

function eventAnswer(view: ChainEventView) {
  return {
    block: view.block,
    block_hash: view.blockHash,
    block_time: toRfc3339(view.blockTime),
    tx_hash: view.txHash,
    log_index: view.logIndex,
    contract: toChecksumAddress(view.contract),
    event: view.event,
    args: showBookEvent(view.event, view.args),
    status: view.status,
    seq: view.seq,
  };
}

function entryAnswer(view: EntryView) {
  return {
    entry: view.entry,
    wallet: toChecksumAddress(view.wallet),
    asset: view.asset,
    amount: view.amount,
    section: view.section,
    status: view.status,
    credited_as: view.creditedAs,
    seq: view.seq,
    block: view.block,
    block_time: toRfc3339(view.blockTime),
    tx_hash: view.txHash,
    log_index: view.logIndex,
  };
}

function demandAnswer(view: DemandView) {
  return {
    section: view.section,
    index: view.index,
    key: view.key,
    wallet: toChecksumAddress(view.wallet),
    asset: view.asset,
    amount: view.amount,
    due: toRfc3339(view.due),
    status: view.status,
    swept: view.swept,
    swept_at: timeOrNull(view.sweptAt),
    served_at: timeOrNull(view.servedAt),
    seq: view.seq,
    block: view.block,
    tx_hash: view.txHash,
  };
}

function timeOrNull(time: UnixSeconds | null): string | null {
  return time === null ? null : toRfc3339(time);
}
