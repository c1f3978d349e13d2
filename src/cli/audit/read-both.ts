/**
 * The API's list of epochs and the chain, such that the one can be held against
 * the other: how far the chain is, then the API, then the chain. What the API
 * claims is there then, and what was there it knows; unless the auditor's nodes
 * are some blocks behind the server's, or behind each other where one address
 * stands for many, or blocks were taken back between the two. Both are asked
 * again, and a node that stays behind is no lie of the server.
 */
import { setTimeout as wait } from "node:timers/promises";
import { Book, type DeploymentRecord } from "#infra";
import type { Header } from "#proof";
import type { ApiSource, ServedEpoch } from "./api-source.ts";
import { type ChainBook, readChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";
import type { EventReading } from "./event-reading.ts";
import { checkHeaderChain } from "./header-chain.ts";
import { ASKED_AGAIN_AFTER_MS, type Node } from "./nodes.ts";
import { isClaimed, type ServedEpochs } from "./served-checks.ts";

export interface BothSources {
  readonly nodes: readonly Node[];
  readonly api: ApiSource;
  /** So many blocks later a server has to know what happened. */
  readonly depth: number;
  /** From the first block on of which events are wanted. */
  readonly reading: EventReading;
}

const ASKED_FOR_A_REORG = 3;
const ASKED_FOR_A_LAG = 6;

/**
 * @param known the headers that were found good before
 * @throws Error where the nodes do not have the block that the API speaks of
 */
export async function readBoth(
  { nodes, api, depth, reading }: BothSources,
  record: DeploymentRecord,
  known: readonly Header[],
): Promise<ServedEpochs & { readonly book: ChainBook }> {
  for (let attempt = 1; ; attempt++) {
    const committedBefore = await lastCommitted(nodes, record);
    const listed = await api.epochs((known[0]?.epoch ?? 1n) - 1n, committedBefore);
    const book = await readChainBook(nodes, record, reading, depth);
    const ahead = isWhole(book, known) ? await aheadOf(listed.values(), book, nodes) : NOT_WHOLE;
    // What cannot be because of a lag is a lie, and found to be one by who looks at headers and epochs.
    if (ahead === null || (!ahead.isBehind && attempt === ASKED_FOR_A_REORG))
      return { listed, committedBefore, depth, book };
    if (attempt === ASKED_FOR_A_LAG)
      throw new Error(
        `${ahead.what}, the node is at block ${book.block.number}: it lags, or the API is wrong`,
      );
    await wait(attempt * ASKED_AGAIN_AFTER_MS);
  }
}

/** By the node that is least far. */
async function lastCommitted(nodes: readonly Node[], record: DeploymentRecord): Promise<bigint> {
  const answers = await Promise.all(nodes.map(({ chain }) => new Book(chain, record).lastCommitted()));
  return answers.toSorted((left, right) => (left < right ? -1 : 1))[0] ?? 0n;
}

interface Ahead {
  readonly what: string;
  /** In a block, by the API's word, that the nodes do not have yet. */
  readonly isBehind: boolean;
}

const NOT_WHOLE: Ahead = { what: "the node gives no chain of headers", isBehind: false };

/** One address often stands for many nodes: one of them may not have the events yet that go with the other's state. */
function isWhole(book: ChainBook, known: readonly Header[]): boolean {
  try {
    checkHeaderChain(book, known);
    return true;
  } catch (error) {
    if (error instanceof Lie) return false;
    throw error;
  }
}

/** The first epoch that the API has further than the chain; null where there is none. */
async function aheadOf(
  listed: Iterable<ServedEpoch>,
  book: ChainBook,
  nodes: readonly Node[],
): Promise<Ahead | null> {
  for (const { epoch, status, blockNumber, finalizeTxHash } of listed) {
    if (isClaimed(status) && epoch > book.lastCommitted)
      return {
        what: `the API says that epoch ${epoch} was committed in block ${blockNumber}`,
        isBehind: typeof blockNumber === "number" && blockNumber > book.block.number,
      };
    if (status !== "final" || epoch <= book.lastFinal) continue;
    const at = await minedAt(nodes, finalizeTxHash ?? "");
    return {
      what: `the API says that ${finalizeTxHash} made epoch ${epoch} final`,
      isBehind: at === null ? isHash(finalizeTxHash) : at > book.block.number,
    };
  }
  return null;
}

/** The block of a transaction by whichever node knows it; null where none does. */
async function minedAt(nodes: readonly Node[], txHash: string): Promise<number | null> {
  if (!isHash(txHash)) return null;
  for (const { chain } of nodes) {
    const receipt = await chain.provider.getTransactionReceipt(txHash);
    if (receipt) return receipt.blockNumber;
  }
  return null;
}

function isHash(text: string | null): boolean {
  return text !== null && /^0x[0-9a-f]{64}$/i.test(text);
}
