/**
 * What the contracts of a book said, in the order in which they said it: every
 * event of registry and custodians in a range of blocks.
 */
import type { EventFragment, Log } from "ethers";
import {
  type Chain,
  type CommittedEpoch,
  type ContractName,
  contractArtifact,
  type DeploymentRecord,
  decodeCommitted,
} from "#infra";
import type { Hex } from "#proof";

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
  const address = [...new Set([record.registry, ...custodiansOf(record)])];
  const logs = await chain.provider.getLogs({ address, fromBlock: from, toBlock: to });
  if (logs.some(({ blockNumber }) => blockNumber < from || blockNumber > to))
    throw new Error(`the node answers with events of other blocks than ${from} to ${to}`);
  logs.sort((one, other) => one.blockNumber - other.blockNumber || one.index - other.index);
  const events: ChainEvent[] = [];
  const commits: CommittedEpoch[] = [];
  for (const log of logs) {
    const event = decode(log, record);
    if (!event) continue;
    events.push(event);
    const commit = event.name === "EpochCommitted" ? decodeCommitted(log) : null;
    if (commit) commits.push(commit);
  }
  return { events, commits };
}

/** How an event is named: the transaction and its place in the block. */
export function eventKey(event: { readonly txHash: string; readonly logIndex: number | bigint }): string {
  return `${event.txHash}:${event.logIndex}`;
}

function custodiansOf({ token, custodians }: DeploymentRecord): string[] {
  return BigInt(token) === 0n ? [] : Object.values(custodians);
}

/** Null for an event that the book's contracts share with others and that says nothing here. */
function decode(log: Log, record: DeploymentRecord): ChainEvent | null {
  const contract = contractName(log, record);
  const fragment = eventsOf(contract).get(log.topics[0] ?? "");
  if (!fragment) return null;
  const values = contractArtifact(contract).abi.decodeEventLog(fragment, log.data, log.topics);
  const args: Record<string, string> = {};
  for (const [place, { name, type }] of fragment.inputs.entries()) {
    const value: unknown = values[place];
    // A header is read with its commit.
    if (typeof value === "object" && value !== null) continue;
    args[name] = isText(type) ? String(value) : String(value).toLowerCase();
  }
  return {
    block: log.blockNumber,
    blockHash: log.blockHash.toLowerCase() as Hex,
    txHash: log.transactionHash.toLowerCase() as Hex,
    logIndex: log.index,
    name: fragment.name,
    args,
  };
}

const EVENTS = new Map<ContractName, ReadonlyMap<string, EventFragment>>();

/** By topic: the parser of the library hashes the names of all events for every log. */
function eventsOf(contract: ContractName): ReadonlyMap<string, EventFragment> {
  let events = EVENTS.get(contract);
  if (!events) {
    const found = new Map<string, EventFragment>();
    contractArtifact(contract).abi.forEachEvent((fragment) => found.set(fragment.topicHash, fragment));
    events = found;
    EVENTS.set(contract, events);
  }
  return events;
}

function isText(type: string): boolean {
  return type === "string";
}

function contractName(log: Log, record: DeploymentRecord): ContractName {
  const { registry, custodians } = record;
  if (isOf(log, registry)) return "SettlementRegistry";
  if (isOf(log, custodians.locks)) return "P2PAgreementEscrow";
  if (isOf(log, custodians.stakes)) return "AccessTierStaking";
  if (isOf(log, custodians.compute)) return "EntityComputeReserve";
  return "SettlementVault";
}

function isOf(log: Log, address: string): boolean {
  return log.address.toLowerCase() === address.toLowerCase();
}
