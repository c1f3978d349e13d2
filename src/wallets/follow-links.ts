/**
 * The work behind links, for the schedule and for the request that made one:
 * gives a user's positions their wallet in bounded steps, takes over what had
 * come in by it, and completes announced changes that are due. Whatever is left
 * by a crash is found by the next run; several processes may run it at once.
 */
import type { Log } from "#infra";
import type { UnixSeconds } from "#kernel";
import type { Ledger } from "#ledger";
import { CHANGE_DELAY_SECONDS, type UserWallet } from "./model.ts";
import type { AccountCursor, WalletReads } from "./reads.ts";
import { carriedUnit, carryUnit, takeOverUnit } from "./units/carry.ts";
import { completeUnit } from "./units/change.ts";
import type { UnitContext } from "./units/context.ts";

/** Positions a unit: few enough that requests find room between two. */
const STEP = 500;
/** Users read at a time. */
const PAGE = 100;

export interface FollowDeps {
  /** Whose wallets are followed: each book has its own epochs and its own chain. */
  readonly asset: string;
  readonly ledger: Pick<Ledger, "submit">;
  readonly reads: WalletReads;
  readonly context: UnitContext;
  /** Null where no committed epoch holds the line yet. */
  readonly anchorOf: (seq: number) => Promise<Anchor | null>;
  /** Time of the newest final block whose events are known; null where nobody follows the chain. */
  readonly chainSeenUntil: () => Promise<UnixSeconds | null>;
  readonly log: Log;
}

/** The epoch that holds a line. */
export interface Anchor {
  /** Of the block of its commit. */
  readonly committedAt: UnixSeconds;
  /** No veto moves it any more. */
  readonly isFinal: boolean;
}

/** When an announced change is due, as far as is known. */
export interface Due {
  readonly at: UnixSeconds;
  readonly isCertain: boolean;
}

export interface Followed {
  readonly carried: number;
  readonly completed: number;
  readonly failed: number;
}

/** @throws what a query throws where the database is away */
export async function followLinks(deps: FollowDeps): Promise<Followed> {
  const completed = await completeDue(deps);
  const carried = await carryAll(deps);
  return { carried: carried.done, completed: completed.done, failed: carried.failed + completed.failed };
}

interface Count {
  done: number;
  failed: number;
}

async function carryAll(deps: FollowDeps): Promise<Count> {
  const count: Count = { done: 0, failed: 0 };
  let after: UserWallet | null = null;
  for (;;) {
    const page = await deps.reads.notCarried(deps.asset, after, PAGE);
    for (const link of page)
      await counted(deps, count, link, () => carryLink(deps, link, Number.POSITIVE_INFINITY));
    after = page.at(-1) ?? null;
    if (!after || page.length < PAGE) return count;
  }
}

async function completeDue(deps: FollowDeps): Promise<Count> {
  const count: Count = { done: 0, failed: 0 };
  const now = await deps.reads.now();
  let after: UserWallet | null = null;
  for (;;) {
    const page = await deps.reads.waiting(deps.asset, now - CHANGE_DELAY_SECONDS, after, PAGE);
    for (const waiting of page) await counted(deps, count, waiting, () => completeOne(deps, waiting, now));
    after = page.at(-1) ?? null;
    if (!after || page.length < PAGE) return count;
  }
}

/** One user's trouble keeps nobody else waiting. */
async function counted(
  { log }: FollowDeps,
  count: Count,
  { userId, asset }: UserWallet,
  work: () => Promise<boolean>,
): Promise<void> {
  try {
    if (await work()) count.done += 1;
  } catch (error) {
    count.failed += 1;
    log.error({ err: error, user: userId, asset }, "what follows from a wallet could not be done");
  }
}

/** When an announced change is due; null while no epoch holds the announcement. */
export async function dueOf(deps: Omit<FollowDeps, "chainSeenUntil">, row: UserWallet): Promise<Due | null> {
  const { announced, userId, asset } = row;
  if (!announced) return null;
  const { accountId, balanceAccountOf } = deps.context;
  const seq = await deps.reads.lineOf(accountId(balanceAccountOf(userId, asset)), announced);
  const anchor = seq === null ? null : await deps.anchorOf(seq);
  if (!anchor) return null;
  const at = Math.max(anchor.committedAt, announced.at) + CHANGE_DELAY_SECONDS;
  return { at, isCertain: anchor.isFinal };
}

async function completeOne(deps: FollowDeps, row: UserWallet, now: UnixSeconds): Promise<boolean> {
  const { announced, userId, asset } = row;
  const due = await dueOf(deps, row);
  // Were that epoch vetoed, a later one would be the first with the announcement, and the change too early for ever.
  if (!announced || !due?.isCertain || due.at > now) return false;
  const { at: dueAt } = due;
  // An objection may be in a block that is not read yet.
  const seen = await deps.chainSeenUntil();
  if (seen === null || seen < dueAt) return false;
  return (
    await deps.ledger.submit(completeUnit(deps.context, { userId, asset, number: announced.number, dueAt }))
  ).value;
}

/** @param steps at most so many. @returns whether all is done */
export async function carryLink(deps: FollowDeps, link: UserWallet, steps: number): Promise<boolean> {
  const { ledger, reads, context } = deps;
  let after: AccountCursor | null = null;
  for (let step = 0; ; step++) {
    if (step >= steps) return false;
    const page = await reads.toCarry(link, after, STEP);
    const ids = page.map(({ id }) => id);
    if (ids.length > 0) await ledger.submit(carryUnit(link, ids));
    after = page.at(-1) ?? null;
    if (!after || page.length < STEP) break;
  }
  const taken = (await ledger.submit(takeOverUnit(context, link))).value;
  return taken && (await ledger.submit(carriedUnit(link))).value;
}
