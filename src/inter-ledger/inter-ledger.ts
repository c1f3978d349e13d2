/**
 * Transfers from this ledger to others of the same server, and from them to this.
 * Accepting one writes a hold and its record in one batch; what is pending is
 * brought to its end by a decision in the other ledger, then the hold's
 * resolution here. Every step may be repeated, by any process, and happens once;
 * no step needs what a process remembers.
 */
import type { DataSource } from "typeorm";
import type { Log } from "#infra";
import { DomainError, type Ids, type UnixSeconds } from "#kernel";
import type { Idempotency, Ledger, Submitted } from "#ledger";
import { type ClearingBalance, type ClearingRead, compareClearing, readClearing } from "./clearing.ts";
import { Deliveries } from "./deliveries.ts";
import { type Departure, type DepartureState, sqlText, toDeparture } from "./tables.ts";
import {
  type Decision,
  type Parcel,
  receiveUnit,
  resolveUnit,
  type SendAnswer,
  type SendRequest,
  sendUnit,
} from "./units.ts";

const SQL = {
  destinations: sqlText("waiting-destinations"),
  waiting: sqlText("waiting-departures"),
  counts: sqlText("read-waiting"),
  read: sqlText("read-departure"),
  list: sqlText("list-departures"),
  listOfState: sqlText("list-departures-of-state"),
} as const;

/** Brought at once, so that both ledgers commit them together. */
const PAGE = 500;

/** Another ledger, as far as this one needs it. */
export interface Peer {
  /** Of the ledger itself: the same wherever it is moved to. */
  readonly id: string;
  /**
   * Decides on what another ledger sent, once: the same parcel again gets the same answer.
   * @param fromLedger what the sender is called here
   * @throws DomainError `unavailable` where nothing could be decided
   */
  receive(parcel: Parcel, fromLedger: string | null): Promise<Decision>;
  clearing(): Promise<ClearingBalance[]>;
}

/** The moments between which a process may end; see docs/ledgers.md. */
export type Step = "sending" | "sent" | "receiving" | "received" | "resolving" | "resolved";

export interface InterLedgerOptions {
  readonly ledger: Pick<Ledger, "submit" | "accountId">;
  readonly database: DataSource;
  /** The ledgers that are open in this process, this one too, by their names. */
  peers(): ReadonlyMap<string, Peer>;
  /** Looks for one that may have been made a moment ago; `failed`: there is one, and it cannot be opened now. */
  findPeer(name: string): Promise<Peer | "failed" | undefined>;
  readonly ids: Ids;
  readonly log: Log;
  /** Told of each step before and after it, for tests. */
  readonly onStep?: (step: Step) => void;
}

export interface DepartureRead extends Departure {
  /** Decimals of its asset. */
  readonly scale: number;
}

export interface NamedClearing extends ClearingRead {
  /** What the other ledger is called here; null where it is not open. */
  readonly ledger: string | null;
}

export interface Waiting {
  readonly toLedger: string;
  readonly count: number;
  readonly oldestSentAt: UnixSeconds;
}

export interface InterLedger extends Peer {
  /** @throws DomainError `not_found`, `invalid_request`, `insufficient_balance`, `unavailable` */
  send(request: SendRequest, key: Idempotency | undefined): Promise<Submitted<SendAnswer>>;
  /** @throws DomainError `not_found` */
  find(id: string): Promise<DepartureRead>;
  /** Newest first, those sent before the one at `beforeSeq`. */
  list(page: {
    state: DepartureState | null;
    beforeSeq: number | null;
    limit: number;
  }): Promise<DepartureRead[]>;
  /** Compares with what the other ledgers say. @throws what the database of one of them throws */
  compare(): Promise<NamedClearing[]>;
  /** What is pending, by where it goes. */
  waiting(): Promise<Waiting[]>;
  /** Begins to bring to its end what is pending. @throws what the database throws where it is away */
  deliver(): Promise<void>;
  /** Answers when no delivery is under way. */
  idle(): Promise<void>;
  /** As `idle`; none begins any more. */
  stop(): Promise<void>;
}

export async function openInterLedger(options: InterLedgerOptions): Promise<InterLedger> {
  const { database, ids, ledger, log, peers } = options;
  const rows = (sql: string, values: unknown[]): Promise<Record<string, unknown>[]> =>
    database.query(sql, values);
  const [identity] = await rows("SELECT id FROM ledger_identity", []);
  if (!identity) throw new Error("this ledger has no identity: were its migrations run?");
  const id = identity.id as string;
  const nameOf = (ledgerId: string) => [...peers()].find(([, peer]) => peer.id === ledgerId)?.[0] ?? null;
  const peerOf = (ledgerId: string) => [...peers().values()].find((peer) => peer.id === ledgerId);
  const deliveries: Deliveries = new Deliveries((ledgerId) => {
    const peer = peerOf(ledgerId);
    return peer ? deliverTo(peer).catch((error: unknown) => waits(log, ledgerId, error)) : Promise.resolve();
  });

  const deliverTo = async (peer: Peer): Promise<void> => {
    for (let afterSeq = -1; !deliveries.stopped; ) {
      const page = (await rows(SQL.waiting, [peer.id, afterSeq, PAGE])).map(toRead);
      const results = await Promise.allSettled(
        page.map((departure) => deliverOne(options, id, peer, departure)),
      );
      const failed = results.filter((result) => result.status === "rejected");
      if (failed[0]) waits(log, peer.id, failed[0].reason, failed.length);
      // Nothing gets through to it, or nothing of it can be resolved: the next run tries again.
      const last = page.at(-1);
      if (!last || page.length < PAGE || failed.length === page.length) return;
      afterSeq = last.seq;
    }
  };

  return {
    id,
    async send(request, key) {
      const peer = await options.findPeer(request.toLedger);
      if (typeof peer === "object" && peer.id === id)
        throw new DomainError(
          "invalid_request",
          "to_ledger is this ledger, or a copy of it: make an ordinary transfer",
          {
            details: { member: "to_ledger" },
          },
        );
      options.onStep?.("sending");
      const to = typeof peer === "object" ? peer.id : nobody(peer);
      const answer = await ledger.submit(sendUnit(ledger.accountId, request, to, key));
      options.onStep?.("sent");
      if (typeof to === "string") deliveries.wake(to);
      return answer;
    },
    async receive(parcel, fromLedger) {
      return (await ledger.submit(receiveUnit(ledger.accountId, parcel, fromLedger, ids.uuid()))).value;
    },
    async find(transferId) {
      const [row] = await rows(SQL.read, [transferId]);
      if (!row) throw new DomainError("not_found", "There is no such transfer to another ledger");
      return toRead(row);
    },
    async list({ state, beforeSeq, limit }) {
      const found = state
        ? await rows(SQL.listOfState, [beforeSeq, limit, state])
        : await rows(SQL.list, [beforeSeq, limit]);
      return found.map(toRead);
    },
    clearing: () => readClearing(database),
    async compare() {
      const own = () => readClearing(database);
      const others = [...peers().values()].map((peer) => peer.id).filter((other) => other !== id);
      const found = await compareClearing(id, own, (other) => peerOf(other)?.clearing() ?? null, others);
      return found.map((one) => ({ ...one, ledger: nameOf(one.ledgerId) }));
    },
    async waiting() {
      const found = await rows(SQL.counts, []);
      return found.map((row) => ({
        toLedger: row.to_ledger as string,
        count: row.count as number,
        oldestSentAt: row.oldest_sent_at as number,
      }));
    },
    async deliver() {
      for (const { to_ledger_id } of await rows(SQL.destinations, []))
        deliveries.wake(to_ledger_id as string);
    },
    idle: () => deliveries.idle(),
    stop: () => deliveries.stop(),
  };
}

/** Two steps, each in one ledger; whoever repeats them gets the same. */
async function deliverOne(
  { ledger, ids, onStep, peers }: InterLedgerOptions,
  ownId: string,
  peer: Peer,
  departure: DepartureRead,
): Promise<void> {
  const { id: transferId, toAccount, asset, scale, amount, reference } = departure;
  const ownName = [...peers()].find(([, { id }]) => id === ownId)?.[0] ?? null;
  onStep?.("receiving");
  const parcel = { fromLedgerId: ownId, transferId, toAccount, asset, scale, amount, reference };
  const decision = await peer.receive(parcel, ownName);
  onStep?.("received");
  onStep?.("resolving");
  await ledger.submit(resolveUnit(ledger.accountId, departure, ids.uuid(), decision));
  onStep?.("resolved");
}

function nobody(why: "failed" | undefined): DomainError {
  return why === "failed"
    ? new DomainError("unavailable", "The ledger of to_ledger cannot be opened now", { retryAfterSeconds: 5 })
    : new DomainError("not_found", "to_ledger names no ledger of this server", {
        details: { member: "to_ledger" },
      });
}

function waits(log: Log, ledgerId: string, error: unknown, transfers?: number): void {
  log.warn(
    { err: error, to_ledger_id: ledgerId, ...(transfers === undefined ? {} : { transfers }) },
    "transfers to another ledger wait; they are tried again",
  );
}

function toRead(row: Record<string, unknown>): DepartureRead {
  return { ...toDeparture(row), scale: row.scale as number };
}
