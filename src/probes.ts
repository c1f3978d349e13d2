/**
 * What `/readyz` asks. Only the database decides whether this server can serve;
 * without counters, chain or settlement, or while only reads are served because
 * the disk is nearly full, it does so all the same, and says so.
 */
import type { Probe } from "#api";
import { counted, DomainError } from "#kernel";
import { isBehind, type Settlement } from "#settlement";
import type { Services } from "./ledger-services.ts";

/** A few settlement periods without a final epoch: somebody should look. */
const ALARMING_LAG_SECONDS = 3_600;

/** Looks come every two seconds: after so long somebody should see why none reaches the chain. */
const ALARMING_SILENCE_MS = 600_000;
/** A demand that is due is served within minutes; after seven days its owner may have the book frozen. */
const ALARMING_DEMAND_SECONDS = 86_400;

type Probed = Pick<
  Services,
  "books" | "clock" | "database" | "disk" | "redis" | "chain" | "settlement" | "assetBooks"
>;

export function createProbes(services: Probed): Probe[] {
  const { database, disk, redis, chain, settlement, assetBooks } = services;
  return [
    {
      name: "database",
      critical: true,
      async check() {
        await database.query("SELECT 1");
        return "answers";
      },
    },
    {
      name: "migrations",
      critical: true,
      async check() {
        const rows: { name: string }[] = await database.query("SELECT name FROM migration");
        const done = new Set(rows.map(({ name }) => name));
        const missing = database.migrations
          .map((migration) => migration.name ?? migration.constructor.name)
          .filter((name) => !done.has(name));
        if (missing.length > 0) throw new Error(`${missing.join(", ")} did not run`);
        return `${done.size} ran`;
      },
    },
    {
      name: "disk",
      critical: false,
      async check() {
        if (!disk) return "the database's own: not seen from here";
        disk.assertRoom();
        return `${Math.floor(disk.freeBytes / 2 ** 20)} MiB are free`;
      },
    },
    {
      name: "counters",
      critical: false,
      async check() {
        if (!redis) return "none: quotas are counted in Postgres alone";
        await redis.ping();
        return "Redis answers";
      },
    },
    ...bookProbes("", chain, settlement),
    { name: "watcher", critical: false, check: () => checkWatcher(services, settlement) },
    ...[...assetBooks.open.values()].flatMap((book) =>
      bookProbes(` ${book.asset}`, book.chain, book.settlement).concat(
        book.settlement.watcher
          ? {
              ...{ name: `watcher ${book.asset}`, critical: false },
              check: () => checkWatcher(services, book.settlement),
            }
          : [],
      ),
    ),
    ...[...assetBooks.failed].map(([asset, why]) => ({
      name: `settlement ${asset}`,
      critical: false,
      check: async () => Promise.reject(new DomainError("unavailable", why)),
    })),
  ];
}

function bookProbes(suffix: string, chain: Services["chain"], settlement: Services["settlement"]): Probe[] {
  return [
    {
      name: `chain${suffix}`,
      critical: false,
      async check() {
        if (!chain) return "none";
        const { record } = settlement;
        const [block, code] = await Promise.all([
          chain.provider.getBlockNumber(),
          record && chain.provider.getCode(record.registry),
        ]);
        if (record && code === "0x")
          throw new DomainError(
            "unavailable",
            `block ${block}, with no contract at the registry's address ${record.registry}`,
          );
        return `block ${block}`;
      },
    },
    {
      name: `settlement${suffix}`,
      critical: false,
      async check() {
        if (settlement.record === null) return "none: this ledger has no contracts";
        const why = await settlement.heldBack();
        if (why !== null) throw new DomainError("unavailable", `no epoch is closed: ${why}`);
        const { lagLines, notCommittedLines, lagSeconds, lastFinal } = await settlement.progress();
        if (lagLines > 0 && (lagSeconds ?? 0) > alarmingLag(settlement))
          throw new DomainError(
            "unavailable",
            `${counted(lagLines, "journal line")} not final, the last final epoch is ${lagSeconds} s old`,
          );
        const committed = counted(lagLines - notCommittedLines, "committed journal line");
        return `epoch ${lastFinal ?? 0} is final; waiting: ${committed} to become final, ${notCommittedLines} to be committed`;
      },
    },
  ];
}

async function checkWatcher({ books, clock }: Probed, settlement: Settlement): Promise<string> {
  if (!settlement.watcher) return "none: this ledger has no contracts";
  const status = await settlement.watcher.status();
  if (!status) return "has not looked at the chain yet";
  const alarm = (what: string) => new DomainError("unavailable", what);
  if (status.lost > 0) throw alarm(`${status.lost} events that were final are not on the chain any more`);
  if (status.frozen) throw alarm("the book is frozen on-chain: nothing settles any more");
  if (status.freezing) throw alarm("the book was frozen on-chain, in a block that is not final yet");
  const silentMs = clock.nowMs() - status.lookedAtMs;
  if (silentMs > ALARMING_SILENCE_MS)
    throw alarm(`the chain was last seen ${Math.floor(silentMs / 1_000)} s ago`);
  if (isBehind(status.completeTime, await books.now()))
    throw alarm("no epoch is closed: what was final on the chain in the last 45 minutes is not all known");
  if (status.oldestDue !== null && (await books.now()) - status.oldestDue > ALARMING_DEMAND_SECONDS)
    throw alarm("a demand has been due for more than a day and is not served");
  return `block ${status.seenBlock} is seen, ${finalText(status.finalBlock, settlement)}, ${status.openDemands} demands are open`;
}

/** Before the book's first block is final, the watcher stands at the one before it, of which nothing is asked. */
function finalText(finalBlock: number, { record }: Settlement): string {
  const first = record?.deployed_block ?? 0;
  return finalBlock < first
    ? `none from the book's first, ${first}, on is final yet`
    : `${finalBlock} is final`;
}

/** An epoch waits for its window by right. */
function alarmingLag({ record }: Services["settlement"]): number {
  return ALARMING_LAG_SECONDS + (record?.challenge_window_seconds ?? 0);
}
