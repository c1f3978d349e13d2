/**
 * What a node says of blocks and logs, taken with a grain of salt: every answer is looked at for whether it is one at
 * all, logs must lie in the blocks that were asked for, by the hash that the node itself gives these blocks. A node that
 * contradicts itself is `ChainInconsistent`; whoever follows a chain asks again later, or asks another node.
 * Logs of a single block that are too many for one answer are asked for contract by contract, and event by event.
 */
import { getAddress, id as hashOfText, keccak256 } from "ethers";
import { bookEventTopics, type RpcLog } from "./book-events.ts";
import { ChainInconsistent, NodeFailed } from "./chain-errors.ts";
import type { HexText } from "./header-codec.ts";
import { type JsonRpc, RpcRefused } from "./json-rpc.ts";

export interface ChainBlock {
  readonly number: number;
  readonly hash: HexText;
  readonly parentHash: HexText;
  /** Unix seconds. */
  readonly time: number;
  /** 256 bytes: what is not in it has no log in the block. */
  readonly bloom: HexText;
}

/** Fewer blocks at a time, please. */
export class RangeTooWide extends Error {
  constructor(cause: RpcRefused) {
    super(cause.message, { cause });
    this.name = "RangeTooWide";
  }
}

export interface ChainReader {
  /** What the node calls the newest; whether it knows it by its number too is another question. */
  newest(): Promise<ChainBlock>;
  /** Null where the node has none so far. */
  finalized(): Promise<ChainBlock | null>;
  block(number: number): Promise<ChainBlock | null>;
  /**
   * The logs of some contracts in the blocks `from` to `to`, in the order of the chain.
   * @throws RangeTooWide for several blocks, ChainInconsistent, ChainUnavailable
   */
  logs(addresses: readonly HexText[], from: number, to: number): Promise<RpcLog[]>;
  /** Those of one block, by its hash. */
  logsOf(addresses: readonly HexText[], block: ChainBlock): Promise<RpcLog[]>;
  /** A contract's answer to a question without arguments, as of a block; null where the node has no such state any more. */
  askUint(contract: HexText, question: string, block: number): Promise<bigint | null>;
}

export function createChainReader(rpc: JsonRpc): ChainReader {
  const byTag = async (tag: string): Promise<ChainBlock | null> => {
    const answer = await rpc.call("eth_getBlockByNumber", [tag, false]);
    return answer === null ? null : readBlock(answer);
  };
  const block = async (number: number): Promise<ChainBlock | null> => {
    const found = await byTag(hex(number));
    if (found && found.number !== number)
      throw new ChainInconsistent(`block ${number} is numbered ${found.number}`);
    return found;
  };
  const rangeLogs = async (filter: object): Promise<RpcLog[]> => {
    try {
      return readLogs(await rpc.call("eth_getLogs", [filter], true));
    } catch (error) {
      throw error instanceof RpcRefused ? new RangeTooWide(error) : error;
    }
  };
  const blockLogs = async (asked: BlockLogs): Promise<RpcLog[]> => {
    const halves = halvesOf(asked);
    try {
      const { address, events, ...place } = asked;
      const filter = { ...place, address, ...(events && { topics: [events] }) };
      return readLogs(await rpc.call("eth_getLogs", [filter], halves !== null));
    } catch (error) {
      if (!(error instanceof RpcRefused)) throw error;
      if (!halves) throw new NodeFailed(error);
      const logs: RpcLog[] = [];
      for (const half of halves) for (const log of await blockLogs(half)) logs.push(log);
      return logs;
    }
  };
  return {
    block,
    finalized: () => byTag("finalized"),
    async newest() {
      const newest = await byTag("latest");
      if (!newest) throw new ChainInconsistent("there is no newest block");
      return newest;
    },
    async logs(address, from, to) {
      const range = { address, fromBlock: hex(from), toBlock: hex(to) };
      const logs = await (to > from ? rangeLogs(range) : blockLogs(range));
      for (const log of logs) {
        const number = quantity(log.blockNumber);
        if (number < from || number > to || !address.includes(log.address.toLowerCase() as HexText))
          throw new ChainInconsistent(`a log of block ${number} for blocks ${from} to ${to}`);
      }
      return logs.sort((a, b) => place(a) - place(b) || quantity(a.logIndex) - quantity(b.logIndex));
    },
    async logsOf(address, { hash, number }) {
      const logs = await blockLogs({ address, blockHash: hash });
      for (const log of logs)
        if (log.blockHash.toLowerCase() !== hash || quantity(log.blockNumber) !== number)
          throw new ChainInconsistent(`a log of another block for block ${number}`);
      return logs.sort((a, b) => quantity(a.logIndex) - quantity(b.logIndex));
    },
    async askUint(contract, question, at) {
      const data = hashOfText(question).slice(0, 10);
      try {
        const answer = await rpc.call("eth_call", [{ to: contract, data }, hex(at)]);
        return typeof answer === "string" && /^0x[0-9a-f]{64}$/i.test(answer) ? BigInt(answer) : null;
      } catch (error) {
        if (error instanceof RpcRefused) return null;
        throw error;
      }
    },
  };
}

interface BlockLogs {
  readonly address: readonly HexText[];
  /** Their topics; undefined: all that there are. */
  readonly events?: readonly string[];
  readonly [place: string]: unknown;
}

/** Null where it is one event of one contract. */
function halvesOf(asked: BlockLogs): readonly [BlockLogs, BlockLogs] | null {
  const { address, events = bookEventTopics() } = asked;
  const half = (list: readonly string[]) => Math.ceil(list.length / 2);
  if (address.length > 1)
    return [
      { ...asked, address: address.slice(0, half(address)) },
      { ...asked, address: address.slice(half(address)) },
    ];
  if (events.length < 2) return null;
  return [
    { ...asked, events: events.slice(0, half(events)) },
    { ...asked, events: events.slice(half(events)) },
  ];
}

/** Whether a block may hold a log of one of the contracts; false is certain. */
export function mayHoldLogs({ bloom }: ChainBlock, addresses: readonly HexText[]): boolean {
  const bits = Buffer.from(bloom.slice(2), "hex");
  return addresses.some((address) => {
    const hash = Buffer.from(keccak256(getAddress(address)).slice(2), "hex");
    return [0, 2, 4].every((at) => {
      const bit = hash.readUInt16BE(at) & 2047;
      return ((bits[255 - (bit >> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
    });
  });
}

function place(log: RpcLog): number {
  return quantity(log.blockNumber);
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

export function quantity(text: string): number {
  if (!/^0x[0-9a-f]{1,13}$/i.test(text)) throw new ChainInconsistent(`${JSON.stringify(text)} is no number`);
  return Number.parseInt(text, 16);
}

function readBlock(answer: unknown): ChainBlock {
  const { number, hash, parentHash, timestamp, logsBloom } = answer as Record<string, unknown>;
  if (typeof number !== "string" || typeof timestamp !== "string" || !isHash(hash) || !isHash(parentHash))
    throw new ChainInconsistent("a block without number, time or hashes");
  const bloom =
    typeof logsBloom === "string" && /^0x[0-9a-f]{512}$/i.test(logsBloom) ? logsBloom : FULL_BLOOM;
  return {
    number: quantity(number),
    hash: hash.toLowerCase() as HexText,
    parentHash: parentHash.toLowerCase() as HexText,
    time: quantity(timestamp),
    bloom: bloom as HexText,
  };
}

/** Of a node that tells none: then every block is asked for. */
const FULL_BLOOM = `0x${"ff".repeat(256)}`;

function readLogs(answer: unknown): RpcLog[] {
  if (!Array.isArray(answer)) throw new ChainInconsistent("logs that are no list");
  for (const log of answer as Record<string, unknown>[]) {
    const texts = [log.address, log.data, log.blockNumber, log.logIndex];
    if (
      !texts.every((text) => typeof text === "string") ||
      !isHash(log.blockHash) ||
      !isHash(log.transactionHash)
    )
      throw new ChainInconsistent("a log without its place");
    if (!Array.isArray(log.topics) || !log.topics.every(isHash))
      throw new ChainInconsistent("a log without topics");
  }
  return (answer as RpcLog[]).filter((log) => log.removed !== true);
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^0x[0-9a-f]{64}$/i.test(value);
}
