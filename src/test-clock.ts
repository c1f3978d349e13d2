/**
 * Moves ledger time and the embedded chain's time together. The ledger keeps its
 * offset in the journal's head; a chain forgets its own when it is killed, so it
 * is brought to ledger time again whenever somebody is about to settle: the
 * registry refuses an epoch whose close lies in the chain's future.
 */
import { type Chain, createClient } from "#infra";
import type { UnixSeconds } from "#kernel";
import type { Settlement } from "#settlement";

/** Blocks come every second; less than this is no lag. */
const TOLERATED_SECONDS = 5;

/** @param now ledger time */
export async function bringChainTo(chain: Chain, now: UnixSeconds): Promise<void> {
  // The latest block keeps its time over a restart; the clock for the next ones starts at wall time again.
  const block = await chain.provider.getBlock("pending");
  const behind = now - (block?.timestamp ?? 0);
  if (behind <= TOLERATED_SECONDS) return;
  await chain.provider.send("evm_increaseTime", [behind]);
  await chain.provider.send("evm_mine", []);
}

/** A settlement on the embedded chain: its chain is at ledger time before anything is sent. */
export function onEmbeddedChain(
  settlement: Settlement,
  chain: Chain,
  ledgerNow: () => Promise<UnixSeconds>,
): Settlement {
  const synchronised = async () => {
    // A chain that is down is the settlement's to report.
    await bringChainTo(chain, await ledgerNow()).catch(() => undefined);
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
