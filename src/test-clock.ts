/**
 * Moves ledger time and the embedded chain's time together. The ledger keeps its
 * offset in the journal's head; a chain forgets its own when it is killed, so it
 * is brought to ledger time again whenever somebody is about to settle: the
 * registry refuses an epoch whose close lies in the chain's future.
 */
import { type Chain, createClient, type Log } from "#infra";
import type { UnixSeconds } from "#kernel";
import type { Settlement } from "#settlement";

/** Blocks come every second; less than this is no lag. */
const TOLERATED_SECONDS = 5;

export interface ChainClock {
  /** Ends when the chain is at ledger time `now`, or after it already. Never takes time back. */
  bringTo(now: UnixSeconds): Promise<void>;
}

/** One for a chain: callers at once follow each other, so that none moves a clock that another has moved meanwhile. */
export function createChainClock(chain: Chain): ChainClock {
  let last: Promise<unknown> = Promise.resolve();
  return {
    bringTo(now) {
      const moved = last.then(() => bringChainTo(chain, now));
      last = moved.catch(() => undefined);
      return moved;
    },
  };
}

async function bringChainTo(chain: Chain, now: UnixSeconds): Promise<void> {
  // The latest block keeps its time over a restart; the clock for the next ones starts at wall time again.
  const block = await chain.provider.getBlock("pending");
  if (now - (block?.timestamp ?? 0) <= TOLERATED_SECONDS) return;
  // A time, not a distance: another process may do the same. The node refuses one before its latest block.
  await chain.provider.send("evm_setNextBlockTimestamp", [now]);
  await chain.provider.send("evm_mine", []);
}

/**
 * Moves ledger time, and the chain's with it. A chain that is down stays behind,
 * which is logged; it is brought along before anything is settled.
 */
export async function advanceClocks(parts: {
  advanceLedger(): Promise<void>;
  ledgerNow(): Promise<UnixSeconds>;
  chainClock: ChainClock;
  log: Log;
}): Promise<UnixSeconds> {
  await parts.advanceLedger();
  const now = await parts.ledgerNow();
  await parts.chainClock
    .bringTo(now)
    .catch((error: unknown) =>
      parts.log.warn({ err: error, ledger_time: now }, "the chain's time stays behind the ledger's"),
    );
  return now;
}

/** A settlement on the embedded chain: its chain is at ledger time before anything is sent. */
export function onEmbeddedChain(
  settlement: Settlement,
  chainClock: ChainClock,
  ledgerNow: () => Promise<UnixSeconds>,
): Settlement {
  const synchronised = async () => {
    // A chain that is down is the settlement's to report.
    await chainClock.bringTo(await ledgerNow()).catch(() => undefined);
  };
  return {
    ...settlement,
    run: async () => {
      await synchronised();
      return settlement.run();
    },
    settle: async () => {
      await synchronised();
      return settlement.settle();
    },
    advance: async () => {
      await synchronised();
      return settlement.advance();
    },
  };
}

/** Only the owner of the tables may move ledger time. */
export async function advanceLedgerClock(ownerUrl: string, schema: string, seconds: number): Promise<void> {
  const client = createClient({ url: ownerUrl, schema, applicationName: "anchorbook-test-clock" });
  await client.connect();
  try {
    await client.query("SELECT advance_clock($1)", [seconds]);
  } finally {
    await client.end();
  }
}
