/** The scheduled jobs of a server, and when each runs. They hold no rule: each calls one function. */
import type { Events } from "#events";
import type { InterLedger } from "#inter-ledger";
import type { Settlement, WitnessAsker } from "#settlement";
import type { Wallets } from "#wallets";
import { ADD_UP_DAYS_CRON, addUpDays } from "./add-up-days.ts";
import { ASK_WITNESSES_CRON, askWitnesses } from "./ask-witnesses.ts";
import { CHECK_BOOKS_CRON, type CheckBooksDeps, checkBooks } from "./check-books.ts";
import { DELIVER_TRANSFERS_CRON, deliverTransfers } from "./deliver-transfers.ts";
import { DELIVER_WEBHOOKS_CRON, deliverWebhooks } from "./deliver-webhooks.ts";
import { EXPIRE_CRON, type ExpireDeps, expire } from "./expire.ts";
import { FINALIZE_CRON, finalize } from "./finalize.ts";
import { FOLLOW_WALLETS_CRON, followWallets } from "./follow-wallets.ts";
import type { Job } from "./schedule.ts";
import { settle } from "./settle.ts";
import { WATCH_CRON, watch } from "./watch.ts";

export { createSchedule, type Job, type Schedule, type ScheduleDeps } from "./schedule.ts";
export { shortestInterval } from "./shortest-interval.ts";

export interface JobDeps extends CheckBooksDeps, ExpireDeps {
  readonly settlement: Pick<Settlement, "settle" | "advance" | "watcher">;
  readonly events: Pick<Events, "deliver">;
  readonly wallets: Pick<Wallets, "follow">;
  readonly witnesses: Pick<WitnessAsker, "ask">;
  readonly interLedger: Pick<InterLedger, "deliver" | "compare" | "waiting">;
  /** Wallets of books beside the first, by asset. */
  readonly assetWallets?: ReadonlyMap<string, Pick<Wallets, "follow">>;
  readonly settleCron: string;
  /** Books of other assets: each settles by itself, on a chain that may be down while others are not. */
  readonly assetBooks?: readonly {
    asset: string;
    settlement: Pick<Settlement, "settle" | "advance" | "watcher">;
  }[];
}

/** In the order in which they run when several are due: what ended, and what came from the chain, settles with what else happened. */
export function jobsOf(deps: JobDeps): Job[] {
  const { events, interLedger, settlement, settleCron, wallets, witnesses } = deps;
  return [
    { name: "expire", cron: EXPIRE_CRON, run: () => expire(deps) },
    { name: "watch", cron: WATCH_CRON, run: () => watch(settlement) },
    { name: "follow-wallets", cron: FOLLOW_WALLETS_CRON, run: () => followWallets(wallets) },
    { name: "settle", cron: settleCron, run: () => settle(settlement) },
    { name: "finalize", cron: FINALIZE_CRON, run: () => finalize(settlement) },
    ...[...(deps.assetWallets ?? [])].map(([asset, of]) => ({
      ...{ name: `follow-wallets ${asset}`, cron: FOLLOW_WALLETS_CRON, run: () => followWallets(of) },
    })),
    ...(deps.assetBooks ?? []).flatMap((book) => [
      { name: `watch ${book.asset}`, cron: WATCH_CRON, run: () => watch(book.settlement) },
      { name: `settle ${book.asset}`, cron: settleCron, run: () => settle(book.settlement) },
      { name: `finalize ${book.asset}`, cron: FINALIZE_CRON, run: () => finalize(book.settlement) },
    ]),
    { name: "ask-witnesses", cron: ASK_WITNESSES_CRON, run: () => askWitnesses(witnesses) },
    { name: "deliver-transfers", cron: DELIVER_TRANSFERS_CRON, run: () => deliverTransfers(interLedger) },
    { name: "deliver-webhooks", cron: DELIVER_WEBHOOKS_CRON, run: () => deliverWebhooks(events) },
    { name: "add-up-days", cron: ADD_UP_DAYS_CRON, run: () => addUpDays(deps.database) },
    { name: "check-books", cron: CHECK_BOOKS_CRON, run: () => checkBooks(deps) },
  ];
}
