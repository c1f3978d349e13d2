/**
 * The headers of all final epochs, out of the chain's logs, newest first: each
 * names the hash of the one before, so that the registry's hash of the last final
 * one binds them all, whatever else was committed and vetoed under their numbers.
 * Nothing has to be known of where the book begins: epoch 1 ends the search.
 */
import { toQuantity } from "ethers";
import {
  type Chain,
  type CommittedEpoch,
  contractArtifact,
  decodeCommitted,
  isChainUnavailable,
  type RpcLog,
} from "#infra";
import { type Header, type Hex, headerHash } from "#proof";

/** Blocks a question; what a node refuses is halved. */
const MOST_BLOCKS = 10_000;

export interface HeaderWalk {
  readonly registry: string;
  readonly epoch: bigint;
  readonly headerHash: Hex;
  /** A header that needs no search, and ends it. */
  readonly known: (headerHash: Hex) => Header | undefined;
  readonly onProgress: (found: number, all: number) => void;
}

/**
 * In the epochs' order: from the first one, or from one that is known, to the one that is asked for.
 * @throws Error where the node's logs do not have one of them
 */
export async function finalHeaders(chain: Chain, walk: HeaderWalk): Promise<Header[]> {
  const known = walk.known(walk.headerHash);
  if (known) return [known];
  const found: Header[] = [];
  let [epoch, hash, blocks] = [walk.epoch, walk.headerHash, MOST_BLOCKS];
  for (let to = await chain.provider.getBlockNumber(); to >= 0; ) {
    const from = Math.max(0, to - blocks + 1);
    const commits = await readCommits(chain, walk.registry, from, to);
    if (!commits) {
      blocks = Math.ceil((to - from + 1) / 2);
      continue;
    }
    for (const { header, headerHash: committed, epoch: number } of commits) {
      // What comes before an epoch on the chain was committed before it.
      if (number < epoch) throw missing(epoch, `but has epoch ${number}, which is older`);
      if (committed !== hash || headerHash(header) !== hash) continue;
      found.push(header);
      walk.onProgress(found.length, Number(walk.epoch));
      [epoch, hash] = [epoch - 1n, header.previous];
      const before = epoch === 0n ? undefined : walk.known(hash);
      if (before) found.push(before);
      if (before || epoch === 0n) return found.reverse();
    }
    to = from - 1;
  }
  throw missing(epoch, "back to its first block");
}

/** Newest first; null where the node refuses so many blocks. */
async function readCommits(
  chain: Chain,
  address: string,
  from: number,
  to: number,
): Promise<CommittedEpoch[] | null> {
  const topic = contractArtifact("SettlementRegistry").abi.getEvent("EpochCommitted")?.topicHash;
  let answer: unknown;
  try {
    const range = { fromBlock: toQuantity(from), toBlock: toQuantity(to) };
    answer = await chain.provider.send("eth_getLogs", [{ address, topics: [topic], ...range }]);
  } catch (error) {
    // Refuses it a single block as well, it is not about the length.
    if (isChainUnavailable(error) || from === to) throw error;
    return null;
  }
  if (!Array.isArray(answer)) throw new Error("the node answers eth_getLogs with no list");
  return (answer as RpcLog[])
    .map((log) => ({ ...log, blockNumber: Number(log.blockNumber), index: Number(log.logIndex) }))
    .sort((one, other) => other.blockNumber - one.blockNumber || other.index - one.index)
    .flatMap((log) => decodeCommitted(log) ?? []);
}

function missing(epoch: bigint, where: string): Error {
  return new Error(
    `the node's logs lack the commit of epoch ${epoch} (${where}): ask a node that keeps all logs, by another --rpc`,
  );
}
