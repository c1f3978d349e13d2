/**
 * What the contracts of a book said, in the order in which they said it: every
 * event of registry and custodians in a range of blocks.
 */
import {
  bookContracts,
  type Chain,
  type CommittedEpoch,
  type ContractName,
  createChainReader,
  type DeploymentRecord,
  decodeCommitted,
  type RpcLog,
} from "#infra";
import type { Hex } from "#proof";
import { decodeEvent } from "./event-decoding.ts";

export interface ChainEvent {
  readonly block: number;
  readonly blockHash: Hex;
  readonly txHash: Hex;
  readonly logIndex: number;
  /** The contract event's name. */
  readonly name: string;
  /** By name, in lower case where bytes; integers as decimal text. */
  readonly args: Readonly<Record<string, string>>;
}

/** What is read of them in one piece. */
export interface ReadEvents {
  readonly events: readonly ChainEvent[];
  /** With their headers, in the chain's order; they are among the events as well. */
  readonly commits: readonly CommittedEpoch[];
}

/**
 * All of a range, in the chain's order.
 * @throws Error where the node refuses, or answers what was not asked
 */
export async function readLogs(
  chain: Chain,
  record: DeploymentRecord,
  from: number,
  to: number,
): Promise<ReadEvents> {
  const contracts = bookContracts(record);
  const logs = await createChainReader(chain.rpc).logs([...contracts.keys()], from, to);
  const events: ChainEvent[] = [];
  const commits: CommittedEpoch[] = [];
  for (const log of logs.map(readLog)) {
    const event = decode(log, contracts);
    if (!event) continue;
    events.push(event);
    const commit = event.name === "EpochCommitted" ? decodeCommitted(log) : null;
    if (commit) commits.push(commit);
  }
  return { events, commits };
}

function readLog({ blockNumber, logIndex, ...log }: RpcLog) {
  return { ...log, blockNumber: Number(blockNumber), index: Number(logIndex) };
}

type Log = ReturnType<typeof readLog>;

/** How an event is named: the transaction and its place in the block. */
export function eventKey(event: { readonly txHash: string; readonly logIndex: number | bigint }): string {
  return `${event.txHash}:${event.logIndex}`;
}

/** Null for an event that the contract does not know. @throws Error where the node was not asked for that contract */
function decode(log: Log, contracts: ReadonlyMap<Hex, ContractName>): ChainEvent | null {
  const name = contracts.get(log.address.toLowerCase() as Hex);
  if (!name) throw new Error(`the node answers with an event of ${log.address}, which was not asked for`);
  const event = decodeEvent(name, log.topics, log.data);
  return (
    event && {
      block: log.blockNumber,
      blockHash: log.blockHash.toLowerCase() as Hex,
      txHash: log.transactionHash.toLowerCase() as Hex,
      logIndex: log.index,
      ...event,
    }
  );
}
