/**
 * The epochs that stand on the chain: committed, not vetoed or cancelled since, each hash
 * recomputed, each naming the one before, from the last one that was final when
 * this was last looked at, up to the newest.
 */
import type { CommittedEpoch } from "#infra";
import { type Header, type Hex, headerHash, ZERO_WORD } from "#proof";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";

export interface StandingEpoch {
  readonly epoch: bigint;
  readonly header: Header;
  readonly headerHash: Hex;
  readonly txHash: string;
  readonly block: number;
  /** The transaction that made it final; undefined where none did yet. */
  readonly finalizeTxHash: string | undefined;
}

export interface HeaderChain {
  /** In order, without a gap. */
  readonly standing: readonly StandingEpoch[];
  /** By header hash, those that were committed and do not stand any more. */
  readonly dropped: ReadonlyMap<Hex, Dropped>;
  /** The last veto, where its epoch's number was not committed again since; undefined where none stops the book. */
  readonly stopped: Veto | undefined;
}

export interface Dropped {
  readonly block: number;
  /** A freeze cancels whatever is not final. */
  readonly how: "vetoed" | "cancelled by a freeze";
}

export interface Veto {
  readonly epoch: bigint;
  readonly block: number;
  /** In lower case. */
  readonly by: string;
  /** Whether by a proof, which anybody may bring. */
  readonly proven: boolean;
}

/** @param known the headers that were found good before: from the last one that was final to the newest */
export function checkHeaderChain(book: ChainBook, known: readonly Header[]): HeaderChain {
  const { commits, finals, dropped, lastVeto } = replayCommits(book);
  const standing: StandingEpoch[] = [];
  const [oldest] = known;
  for (let epoch = oldest?.epoch ?? 1n; epoch <= book.lastCommitted; epoch++) {
    const commit = commits.get(epoch);
    if (!commit) {
      const next = [...commits.keys()].find((number) => number > epoch);
      const seen = next === undefined ? "its event is missing" : `the next event is of epoch ${next}`;
      throw new Lie("header_chain", { epoch }, seen);
    }
    const header = checkCommit(commit, standing.at(-1)?.header, book);
    if (epoch === oldest?.epoch && headerHash(oldest) !== commit.headerHash)
      throw new Lie(
        "header_chain",
        { epoch },
        `it was final with the header ${headerHash(oldest)}, the chain now has ${commit.headerHash}`,
      );
    standing.push({
      ...{ epoch, header, headerHash: commit.headerHash, txHash: commit.txHash, block: commit.blockNumber },
      finalizeTxHash: finals.get(epoch),
    });
  }
  const [newer] = [...commits.keys()].filter((epoch) => epoch > book.lastCommitted);
  if (newer !== undefined)
    throw new Lie("header_chain", { epoch: newer }, "it has an event, the registry does not have it");
  const newest = standing.at(-1);
  if (newest && book.newestHash !== null && newest.headerHash !== book.newestHash)
    throw new Lie("header_chain", { epoch: newest.epoch }, "the registry holds another hash");
  return {
    ...{ standing, dropped },
    stopped: lastVeto && lastVeto.epoch > book.lastCommitted ? lastVeto : undefined,
  };
}

/**
 * The last of the known epochs that still stands; the ones after it were dropped.
 * @throws Lie where another header has taken an epoch's place without a veto; Error where the chain is not that far
 */
export function lastStanding(known: readonly Header[], { standing, dropped }: HeaderChain): bigint {
  const byEpoch = new Map(standing.map((one) => [one.epoch, one.headerHash]));
  for (const header of known) {
    const { epoch } = header;
    const hash = headerHash(header);
    const now = byEpoch.get(epoch);
    if (now === hash) continue;
    if (dropped.has(hash)) return epoch - 1n;
    if (now === undefined)
      throw new Error(
        `the chain is at epoch ${epoch - 1n} and was audited up to ${known.at(-1)?.epoch}: it went back, or the node lags`,
      );
    throw new Lie(
      "header_chain",
      { epoch },
      `its number is used twice: the header ${hash} stood there before, without a veto it is ${now} now`,
    );
  }
  return known.at(-1)?.epoch ?? 0n;
}

function replayCommits(book: ChainBook) {
  const commits = new Map<bigint, CommittedEpoch>();
  const finals = new Map<bigint, string>();
  const dropped = new Map<Hex, Dropped>();
  let lastVeto: Veto | undefined;
  let place = 0;
  for (const { name, args, txHash, block } of book.ofHeaders) {
    if (name === "EpochCommitted") {
      const commit = book.commits[place++];
      if (!commit) continue;
      const before = commits.get(commit.epoch);
      if (before)
        throw new Lie(
          "header_chain",
          { epoch: commit.epoch },
          `its number is used twice: ${before.headerHash} and ${commit.headerHash} were committed, without a veto between`,
        );
      commits.set(commit.epoch, commit);
    } else if (name === "EpochFinalized") finals.set(BigInt(args.epoch ?? "0"), txHash);
    else if (name === "EpochVetoed") {
      const from = BigInt(args.epoch ?? "0");
      drop(commits, from, { block, how: "vetoed" }, dropped);
      // Its commit may be older than what was read.
      dropped.set(args.headerHash as Hex, { block, how: "vetoed" });
      lastVeto = { epoch: from, block, by: args.by ?? "", proven: args.proven === "true" };
    } else if (name === "Frozen")
      drop(commits, BigInt(args.lastFinal ?? "0") + 1n, { block, how: "cancelled by a freeze" }, dropped);
  }
  return { commits, finals, dropped, lastVeto };
}

function drop(
  commits: Map<bigint, CommittedEpoch>,
  from: bigint,
  what: Dropped,
  dropped: Map<Hex, Dropped>,
): void {
  for (const [epoch, { headerHash: hash }] of commits)
    if (epoch >= from) {
      dropped.set(hash, what);
      commits.delete(epoch);
    }
}

function checkCommit(event: CommittedEpoch, previous: Header | undefined, book: ChainBook): Header {
  const { epoch } = event;
  const header: Header = event.header;
  const lie = (what: string) => new Lie("header_chain", { epoch }, what);
  if (headerHash(header) !== event.headerHash) throw lie("its header does not have the hash of its event");
  if (header.epoch !== epoch) throw lie(`its header says epoch ${header.epoch}`);
  if (header.chainId !== BigInt(book.record.chain_id)) throw lie(`its header says chain ${header.chainId}`);
  if (header.registry !== book.record.registry.toLowerCase()) throw lie("its header names another registry");
  if (previous ? header.previous !== headerHash(previous) : epoch === 1n && header.previous !== ZERO_WORD)
    throw lie("its header does not name its predecessor");
  if (!previous) return header;
  if (header.journalSize < previous.journalSize) throw lie("the journal shrank");
  if (header.depositSeq < previous.depositSeq) throw lie("the deposit sequence fell");
  if (header.closedAt < previous.closedAt)
    throw lie(
      `it closed at ${header.closedAt}, before its predecessor (${previous.closedAt}): it is backdated`,
    );
  return header;
}
