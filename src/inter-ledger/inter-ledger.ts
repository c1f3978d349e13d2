/**
 * Transfers from this ledger to others of the same server, and from them to this.
 * Accepting one writes a hold and its record in one batch; what is pending is
 * brought to its end by a decision in the other ledger, then the hold's
 * resolution here. Every step may be repeated, by any process, and happens once;
 * no step needs what a process remembers.
 */
import type { DataSource } from "typeorm";
import type { Log } from "#infra";
import { DomainError, type Ids } from "#kernel";
import type { Idempotency, Ledger, Submitted } from "#ledger";
import { type ClearingBalance, type ClearingRead, compareClearing, readClearing } from "./clearing.ts";
import { Deliveries } from "./deliveries.ts";
import {
  type DeparturePage,
  type DepartureQueries,
  type DepartureRead,
  departureQueries,
  type Waiting,
} from "./departures.ts";
import {
  type Decision,
  type Parcel,
  receiveUnit,
  resolveUnit,
  type SendAnswer,
  type SendRequest,
  sendUnit,
} from "./units.ts";

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

export interface NamedClearing extends ClearingRead {
  /** What the other ledger is called here; null where it is not open. */
  readonly ledger: string | null;
}

export interface InterLedger extends Peer {
  /** @throws DomainError `not_found`, `invalid_request`, `insufficient_balance`, `unavailable` */
  send(request: SendRequest, key: Idempotency | undefined): Promise<Submitted<SendAnswer>>;
  /** @throws DomainError `not_found` */
  find(id: string): Promise<DepartureRead>;
  /** Newest first, those sent before the one at `beforeSeq`. */
  list(page: DeparturePage): Promise<DepartureRead[]>;
  /** What is pending, by where it goes. */
  waiting(): Promise<Waiting[]>;
  /** Compares with what the other ledgers say. @throws what the database of one of them throws */
  compare(): Promise<NamedClearing[]>;
  /** Begins to bring to its end what is pending. @throws what the database throws where it is away */
  deliver(): Promise<void>;
  /** Answers when no delivery is under way. */
  idle(): Promise<void>;
  /** As `idle`; none begins any more. */
  stop(): Promise<void>;
}

export async function openInterLedger(options: InterLedgerOptions): Promise<InterLedger> {
  const { database, ids, ledger, peers } = options;
  const id = await identityOf(database);
  const departures = departureQueries(database);
  const peerOf = (ledgerId: string) => [...peers().values()].find((peer) => peer.id === ledgerId);
  const deliveries: Deliveries = new Deliveries(async (ledgerId) => {
    const peer = peerOf(ledgerId);
    if (!peer) return;
    const more = () => !deliveries.stopped;
    await deliverTo(peer, { id, options, departures, more }).catch((error: unknown) =>
      waits(options.log, ledgerId, error),
    );
  });
  return {
    id,
    async send(request, key) {
      const to = whereTo(await options.findPeer(request.toLedger), id);
      options.onStep?.("sending");
      const answer = await ledger.submit(sendUnit(ledger.accountId, request, to, key));
      options.onStep?.("sent");
      if (typeof to === "string") deliveries.wake(to);
      return answer;
    },
    async receive(parcel, fromLedger) {
      return (await ledger.submit(receiveUnit(ledger.accountId, parcel, fromLedger, ids.uuid()))).value;
    },
    async find(transferId) {
      const found = await departures.find(transferId);
      if (!found) throw new DomainError("not_found", "There is no such transfer to another ledger");
      return found;
    },
    list: (page) => departures.list(page),
    waiting: () => departures.waiting(),
    clearing: () => readClearing(database),
    async compare() {
      const own = () => readClearing(database);
      const others = [...peers().values()].map((peer) => peer.id).filter((other) => other !== id);
      const found = await compareClearing(id, own, (other) => peerOf(other)?.clearing() ?? null, others);
      return found.map((one) => ({ ...one, ledger: nameOf(options, one.ledgerId) }));
    },
    async deliver() {
      for (const ledgerId of await departures.destinations()) deliveries.wake(ledgerId);
    },
    idle: () => deliveries.idle(),
    stop: () => deliveries.stop(),
  };
}

async function identityOf(database: DataSource): Promise<string> {
  const [identity]: { id: string }[] = await database.query("SELECT id FROM ledger_identity");
  if (!identity) throw new Error("this ledger has no identity: were its migrations run?");
  return identity.id;
}

function nameOf({ peers }: Pick<InterLedgerOptions, "peers">, ledgerId: string): string | null {
  return [...peers()].find(([, peer]) => peer.id === ledgerId)?.[0] ?? null;
}

/** @returns who the other ledger is, or why nothing can be sent there. @throws DomainError where it is this one */
function whereTo(peer: Peer | "failed" | undefined, ownId: string): string | DomainError {
  if (peer === "failed")
    return new DomainError("unavailable", "The ledger of to_ledger cannot be opened now", {
      retryAfterSeconds: 5,
    });
  const details = { member: "to_ledger" };
  if (!peer) return new DomainError("not_found", "to_ledger names no ledger of this server", { details });
  if (peer.id !== ownId) return peer.id;
  const message = "to_ledger is this ledger, or a copy of it: make an ordinary transfer";
  throw new DomainError("invalid_request", message, { details });
}

interface Delivery {
  /** Of this ledger. */
  readonly id: string;
  readonly options: InterLedgerOptions;
  readonly departures: Pick<DepartureQueries, "waitingFor">;
  /** Whether to go on. */
  more(): boolean;
}

/** Brings what waits for another ledger to its end, page by page. */
async function deliverTo(peer: Peer, delivery: Delivery): Promise<void> {
  for (let afterSeq = -1; delivery.more(); ) {
    const page = await delivery.departures.waitingFor(peer.id, { afterSeq, limit: PAGE });
    const results = await Promise.allSettled(page.map((departure) => deliverOne(peer, departure, delivery)));
    const failed = results.filter((result) => result.status === "rejected");
    if (failed[0]) waits(delivery.options.log, peer.id, failed[0].reason, failed.length);
    // Nothing gets through to it, or nothing of it can be resolved: the next run tries again.
    const last = page.at(-1);
    if (!last || page.length < PAGE || failed.length === page.length) return;
    afterSeq = last.seq;
  }
}

/** Two steps, each in one ledger; whoever repeats them gets the same. */
async function deliverOne(peer: Peer, departure: DepartureRead, { id, options }: Delivery): Promise<void> {
  const { ledger, ids, onStep } = options;
  const { id: transferId, toAccount, asset, scale, amount, reference } = departure;
  onStep?.("receiving");
  const parcel = { fromLedgerId: id, transferId, toAccount, asset, scale, amount, reference };
  const decision = await peer.receive(parcel, nameOf(options, id));
  onStep?.("received");
  onStep?.("resolving");
  await ledger.submit(resolveUnit(ledger.accountId, departure, ids.uuid(), decision));
  onStep?.("resolved");
}

function waits(log: Log, ledgerId: string, error: unknown, transfers?: number): void {
  log.warn(
    { err: error, to_ledger_id: ledgerId, ...(transfers === undefined ? {} : { transfers }) },
    "transfers to another ledger wait; they are tried again",
  );
}
