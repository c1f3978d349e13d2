/** Two ledgers with a writer each and what sends between them, open in this process; for tests and the processes they start. */
import { silentLog } from "#infra";
import { type InterLedger, openInterLedger, type Step } from "#inter-ledger";
import { systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { createDataSource } from "../../ormconfig.ts";

/** Where a ledger is. */
export interface Place {
  readonly url: string;
  readonly schema: string;
}

export interface PairPlaces {
  readonly north: Place;
  readonly south: Place;
}

export interface SendWork extends PairPlaces {
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly ids: readonly string[];
  /** Null: it goes on to the end. */
  readonly killAt: Step | null;
  /** Turns of the event loop between the step and the kill. */
  readonly afterTicks: number;
}

export interface Pair {
  readonly north: InterLedger;
  readonly south: InterLedger;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** @param onStep of what north sends */
export async function openPair(places: PairPlaces, onStep?: (step: Step) => void): Promise<Pair> {
  const peers = new Map<string, InterLedger>();
  const [north, south] = await Promise.all([
    openSide(places.north, peers, onStep),
    openSide(places.south, peers),
  ]);
  peers.set("north", north.transfers).set("south", south.transfers);
  const idle = async () => {
    await north.transfers.idle();
    await south.transfers.idle();
  };
  return {
    ...{ north: north.transfers, south: south.transfers, idle },
    async close() {
      await north.transfers.stop();
      await south.transfers.stop();
      await Promise.all([north.close(), south.close()]);
    },
  };
}

/** Patience is short, so that a test need not wait for a database that is away. */
const LIMITS = { patienceMs: 200 };

async function openSide(
  { url, schema }: Place,
  peers: ReadonlyMap<string, InterLedger>,
  onStep?: (step: Step) => void,
) {
  const ledger = await openLedger({
    ...{ databaseUrl: url, schema, ids: systemIds, log: silentLog(), limits: LIMITS },
  });
  const database = await createDataSource({ url, schema }).initialize();
  const transfers = await openInterLedger({
    ...{ ledger, database, peers: () => peers, ids: systemIds, log: silentLog() },
    findPeer: async (name) => peers.get(name),
    ...(onStep ? { onStep } : {}),
  });
  const close = async () => {
    await ledger.close();
    await database.destroy();
  };
  return { transfers, close };
}
